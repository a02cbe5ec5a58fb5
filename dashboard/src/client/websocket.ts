// WebSocket: one JSON document in each text frame, and commands the other way.

import type { Document, Hello } from './document.js';
import type { Line, Opening, Wire } from './wire.js';

export const socket: Wire = {
  name: 'ws',

  open({ address, token, ears }: Opening): Line {
    const at = new URL(address);
    at.protocol = at.protocol.replace('http', 'ws');
    const open = new WebSocket(at, [
      'tricast.v1.json',
      ...(token ? [`tricast.token.${token}`] : []),
    ]);
    let watch = watchNothing;
    open.onmessage = ({ data }: MessageEvent<string>) => {
      const document = JSON.parse(data) as Document;
      if (document.event === 'tricast.hello')
        watch = watchSilence(open, (document as Hello).heartbeat);
      watch.heard();
      ears.document(document, data);
    };
    // A page is never told why a handshake was refused.
    open.onclose = () => {
      watch.stop();
      ears.closed(null);
    };
    return {
      close() {
        watch.stop();
        open.onmessage = open.onclose = null;
        open.close();
      },
      send: (command) => open.send(JSON.stringify(command)),
    };
  },
};

const watchNothing = { heard() {}, stop() {} };

/** The gateway's pings are answered below the page, which never sees them: after a silence it has to ask by itself. */
function watchSilence(open: WebSocket, heartbeat: number) {
  let silent = 0;
  const timer = setInterval(() => {
    silent += 1;
    if (silent > 2) {
      // The closing handshake has nobody to shake hands with; who waits for the end need not.
      clearInterval(timer);
      open.close();
      open.onclose?.(new CloseEvent('close'));
      open.onclose = open.onmessage = null;
    } else if (silent > 1) {
      open.send('{"type":"ping"}');
    }
  }, heartbeat);
  return {
    heard() {
      silent = 0;
    },
    stop: () => clearInterval(timer),
  };
}
