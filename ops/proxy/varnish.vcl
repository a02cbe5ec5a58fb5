# Tricast behind Varnish (tested with 7.1). Copy to /etc/varnish/default.vcl, or take the parts into yours.
# Check it with: varnishd -C -f /etc/varnish/default.vcl
#
# Varnish speaks no TLS, and so no HTTP/2 to browsers: put hitch, HAProxy or nginx in front of it. Hitch and HAProxy can tell by the
# PROXY protocol whom they speak for: varnishd -a 127.0.0.1:8443,PROXY
#
# Every stream keeps a thread busy, and what is silent for a minute is cut, such as a body of JSON lines that rests. For 4,000 streams
# and an hour start varnishd with
#   -p thread_pools=2 -p thread_pool_max=2000 -p pipe_timeout=3600
vcl 4.1;

import std;

backend gateway {
    .host = "127.0.0.1";
    .port = "8080";
}

sub vcl_recv {
    set req.backend_hint = gateway;
    # X-Forwarded-For comes by itself; limits for each address need proxy.trusted in gateway.toml to name this Varnish.
    # The gateway believes the other two as well, so a client's own must not get through. With the PROXY protocol server.ip is where
    # the client has connected to. Should nginx be in front, which says it in these two fields instead, take these lines out, and
    # let Varnish listen where nobody but nginx reaches it.
    unset req.http.X-Forwarded-Host;
    set req.http.X-Forwarded-Proto = "http";
    if (std.port(server.ip) == 443) {
        set req.http.X-Forwarded-Proto = "https";
    }
    # There is nothing to cache, and a pipe is all that streams want: bytes go on in both directions as they come, a WebSocket gets
    # its upgrade (without a pipe it is refused), JSON lines are published one by one, and the gateway hears at once that a client left.
    # A pipe has a connection of its own. What you pass instead shares those that Varnish keeps for 60 s, longer than the gateway does
    # (limits.head_timeout, 30 s), and a POST that meets the close is a 503: start varnishd with -p backend_idle_timeout=20 as well.
    return (pipe);
}

sub vcl_pipe {
    # A WebSocket needs both fields, and Varnish takes them out. With "close", which Varnish asks for in every pipe, a pipe ends with
    # its first answer: what else a client would send through it never had its X-Forwarded-For seen to.
    if (req.http.Upgrade) {
        set bereq.http.Upgrade = req.http.Upgrade;
        set bereq.http.Connection = "upgrade, close";
    }
    return (pipe);
}
