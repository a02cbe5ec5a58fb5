-- Tricast behind lighttpd: what an EventSource is told while the gateway restarts, in place of a 503. See lighttpd.conf.
local r = lighty.r
local waits = (r.req_header["Accept"] or ""):find("text/event-stream", 1, true)
if r.req_item.http_status == 503 and waits then
  r.resp_header["Content-Type"] = "text/event-stream"
  r.resp_body:set("retry: 2000\n\n")
  return 200
end
