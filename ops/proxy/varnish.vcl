# Tricast behind Varnish (tested with 7.1). Copy it to /etc/varnish/default.vcl, or copy its parts into yours.
# Check it with: varnishd -C -f /etc/varnish/default.vcl
#
# Varnish has no TLS, and so no HTTP/2 for browsers: put hitch, HAProxy or nginx in front of it. Hitch and HAProxy can pass on the
# client's address by the PROXY protocol: varnishd -a 127.0.0.1:8443,PROXY
#
# Each stream occupies a thread, and a connection that is silent for a minute is cut, such as a body of JSON lines that pauses. For
# 4,000 streams and an hour of silence start varnishd with
#   -p thread_pools=2 -p thread_pool_max=2000 -p pipe_timeout=3600
vcl 4.1;

import std;

backend gateway {
    .host = "127.0.0.1";
    .port = "8080";
}

sub vcl_recv {
    set req.backend_hint = gateway;
    # Varnish sets X-Forwarded-For by itself. For limits per address, name this Varnish in proxy.trusted of gateway.toml.
    # The gateway believes the other two fields as well, so those that a client sent must be replaced. With the PROXY protocol,
    # server.ip is the address that the client connected to. If nginx is in front, it sets these two fields: then remove these lines,
    # and let Varnish listen where only nginx can reach it.
    unset req.http.X-Forwarded-Host;
    set req.http.X-Forwarded-Proto = "http";
    if (std.port(server.ip) == 443) {
        set req.http.X-Forwarded-Proto = "https";
    }
    # There is nothing to cache, and streams need only a pipe: it forwards bytes in both directions as they arrive, a WebSocket gets
    # its upgrade (without a pipe it is refused), JSON lines are published one by one, and the gateway is notified at once when a
    # client leaves.
    # A pipe has a connection of its own. If you use pass instead, requests share connections that Varnish keeps for 60 s, longer than
    # the gateway does (limits.head_timeout, 30 s), and a POST that hits a closing connection is a 503: then start varnishd with
    # -p backend_idle_timeout=20 as well.
    return (pipe);
}

sub vcl_pipe {
    # A WebSocket needs both fields, and Varnish removes them. With "close", which Varnish requests in every pipe, a pipe ends with its
    # first response. Otherwise a client could send further requests through it, whose X-Forwarded-For Varnish does not check.
    if (req.http.Upgrade) {
        set bereq.http.Upgrade = req.http.Upgrade;
        set bereq.http.Connection = "upgrade, close";
    }
    return (pipe);
}
