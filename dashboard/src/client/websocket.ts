// WebSocket: one JSON document in each text frame, and commands in the other direction.

import type { Document, Hello } from './document.ts';
import type { OpenOptions, Wire, WireStream } from './wire.ts';

export const webSocket: Wire = {
  name: 'ws',

  open({ url, token, handlers }: OpenOptions): WireStream {
    const socketUrl = new URL(url);
    socketUrl.protocol = socketUrl.protocol.replace('http', 'ws');
    const protocols = ['tricast.v1.json', ...(token ? [`tricast.token.${token}`] : [])];
    const socket = new WebSocket(socketUrl, protocols);
    let watchdog: Watchdog | null = null;
    socket.onmessage = ({ data }: MessageEvent<string>) => {
      const document = JSON.parse(data) as Document;
      if (document.event === 'tricast.hello') {
        watchdog = startWatchdog(socket, (document as Hello).heartbeat);
      }
      watchdog?.reset();
      handlers.document(document, data);
    };
    // Browsers do not tell a page why a handshake was refused.
    socket.onclose = () => {
      watchdog?.stop();
      handlers.closed(null);
    };
    return {
      close() {
        watchdog?.stop();
        socket.onmessage = null;
        socket.onclose = null;
        socket.close();
      },
      send: (command) => socket.send(JSON.stringify(command)),
    };
  },
};

interface Watchdog {
  /** Notes that the connection is alive. */
  reset(): void;
  stop(): void;
}

/**
 * Detects a dead connection.
 * The browser answers the gateway's pings without telling the page, so after a silent heartbeat
 * interval the page sends a ping of its own, and after another one it closes the socket.
 */
function startWatchdog(socket: WebSocket, heartbeat: number): Watchdog {
  let silent = 0;
  const timer = setInterval(() => {
    silent += 1;
    if (silent > 2) {
      // The peer is gone, so nobody completes the closing handshake: report the end right away.
      clearInterval(timer);
      socket.close();
      socket.onclose?.(new CloseEvent('close'));
      socket.onclose = null;
      socket.onmessage = null;
    } else if (silent > 1) {
      socket.send('{"type":"ping"}');
    }
  }, heartbeat);
  return {
    reset() {
      silent = 0;
    },
    stop: () => clearInterval(timer),
  };
}
