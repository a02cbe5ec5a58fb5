// The URLs in the programs of the Code section, for the current channel.

import { token } from '../context/context.ts';
import { channelUrl } from '../context/gateway.ts';

/** The URLs of the channel. To those with `From` a resume point is appended. */
export interface Urls {
  sse: string;
  chunked: string;
  publish: string;
  sseFrom: string;
  chunkedFrom: string;
  wsFrom: string;
}

export function snippetUrls(): Urls {
  const [sse, chunked, ws] = [snippetUrl('sse'), snippetUrl('chunked'), snippetUrl('ws')];
  return {
    sse,
    chunked,
    publish: snippetUrl('publish'),
    sseFrom: withQuery(sse),
    chunkedFrom: withQuery(chunked),
    wsFrom: withQuery(ws),
  };
}

function snippetUrl(endpoint: string): string {
  const url = channelUrl(endpoint);
  if (endpoint === 'ws') url.protocol = url.protocol.replace('http', 'ws');
  // A placeholder, so that nobody copies the token by accident.
  if (token()) url.searchParams.set('token', 'TOKEN');
  return url.href;
}

/** Returns the URL up to the place where one more parameter belongs. */
function withQuery(url: string): string {
  return url + (url.includes('?') ? '&' : '?');
}
