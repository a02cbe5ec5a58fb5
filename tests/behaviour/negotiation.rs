//! `/stream`: the wire that the fields of a request select.

use tricast_tests::Server;

const SSE: &str = "text/event-stream; charset=utf-8";
const LINES: &str = "application/x-ndjson";

async fn accept_selects_the_wire_by_its_weights() {
    let server = Server::start().await;
    let cases = [
        (&[][..], LINES),
        (&["*/*"], LINES),
        (&[""], LINES),
        (&["text/event-stream"], SSE),
        (&["Text/Event-Stream; charset=utf-8"], SSE),
        (&["text/*"], SSE),
        (&["text/event-stream, */*"], SSE),
        (&["text/event-stream", "*/*;q=0.8"], SSE),
        (&["application/x-ndjson, text/event-stream"], SSE),
        (&["application/x-ndjson;q=0.5, text/event-stream;q=0.5"], SSE),
        (&["application/x-ndjson;q=0.1", "text/event-stream;q=0.9"], SSE),
        (&["*/*;q=0.1, text/event-stream;q=0.2"], SSE),
        (&["application/x-ndjson;q=0, */*"], SSE),
        (&["text/event-stream;q=0"], LINES),
        (&["text/event-stream;Q=0.000"], LINES),
        (&["application/x-ndjson, text/event-stream;q=0"], LINES),
        (&["text/event-stream;q=0, text/*"], LINES),
        (&["text/event-stream;q=0.1, application/x-ndjson;q=0.9"], LINES),
        (&["text/event-stream ; q=0.1 , application/x-ndjson ; q=0.9"], LINES),
        (&["text/event-stream;q=0.5, */*"], LINES),
        (&["text/event-stream;q=0.5, application/*"], LINES),
        (&["text/event-stream;q=0.5, application/ndjson"], LINES),
        (&["application/x-ndjson", "*/*"], LINES),
        (&["text/html, application/xml;q=0.9, */*;q=0.8"], LINES),
        (&["application/x-ndjson;q=0, text/event-stream;q=0"], LINES),
        (&["application/json"], LINES),
        (&["text/event-stream;q=nonsense"], LINES),
        (&["text/event-stream;q=2"], LINES),
    ];
    for (accept, content_type) in cases {
        let fields: String = accept.iter().map(|value| format!("\r\nAccept: {value}")).collect();
        for method in ["GET", "HEAD"] {
            let mut connection = server.connect().await;
            connection
                .send(format!("{method} /stream/a HTTP/1.1\r\nHost: t{fields}\r\n\r\n"))
                .await;
            let head = connection.head().await;
            assert_eq!(head.status, 200, "{accept:?}");
            assert_eq!(head.fields["content-type"], content_type, "{method} {accept:?}");
            assert!(head.fields["vary"].contains("accept"), "{head:?}");
        }
    }
}

tricast_tests::each_delivery_and_transport!(accept_selects_the_wire_by_its_weights);
