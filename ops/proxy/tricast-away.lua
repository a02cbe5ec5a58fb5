-- Tricast behind lighttpd: the response to an EventSource while the gateway restarts, in place of a 502, 503 or 504. See lighttpd.conf.
local r = lighty.r
local waits = (r.req_header["Accept"] or ""):find("text/event-stream", 1, true)
local status = r.req_item.http_status
if status >= 502 and status <= 504 and waits then
  r.resp_header["Content-Type"] = "text/event-stream"
  r.resp_body:set("retry: 2000\n\n")
  return 200
end
