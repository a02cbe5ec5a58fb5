# Tricast behind Varnish (tested with 7.1). Copy to /etc/varnish/default.vcl, or take the parts into yours.
# Check it with: varnishd -C -f /etc/varnish/default.vcl
#
# Varnish speaks no TLS, and so no HTTP/2 to browsers: put hitch, HAProxy or nginx in front of it.
#
# Every stream keeps a thread busy, and what is silent for a minute is cut, such as a body of JSON lines that rests. For 4,000 streams
# and an hour start varnishd with
#   -p thread_pools=2 -p thread_pool_max=2000 -p pipe_timeout=3600
vcl 4.1;

backend gateway {
    .host = "127.0.0.1";
    .port = "8080";
}

sub vcl_recv {
    set req.backend_hint = gateway;
    # X-Forwarded-For comes by itself; limits for each address need proxy.trusted in gateway.toml to name this Varnish.
    if (!req.http.X-Forwarded-Proto) {
        set req.http.X-Forwarded-Proto = "http";
    }
    # There is nothing to cache, and a pipe is all that streams want: bytes go on in both directions as they come, a WebSocket gets
    # its upgrade (without a pipe it is refused), JSON lines are published one by one, and the gateway hears at once that a client left.
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
