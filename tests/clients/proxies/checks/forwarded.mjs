// Does the gateway get to know the browser's host, address and scheme?
import { overHttp2 } from '../http2.mjs';
import { baseOf } from '../ways.mjs';

export async function forwarded(stand, over) {
  const base = new URL(baseOf(stand, over));
  const http2 = over === 'HTTP/2' && overHttp2(stand.ca);
  try {
    const response = await (http2 ? http2.fetch : fetch)(
      `${base.origin}/dashboard/seen?client=whoever-it-may-be`,
    );
    const { fields } = JSON.parse(await response.text());
    const lacks = [
      fields.host === base.host || fields['x-forwarded-host'] === base.host ? null : 'host',
      fields['x-forwarded-for'] ? null : 'address',
      `${fields['x-forwarded-proto']}:` === base.protocol ? null : 'scheme',
    ].filter(Boolean);
    return { verdict: lacks.length ? `not told: ${lacks.join(', ')}` : 'ok' };
  } finally {
    http2?.close?.();
  }
}
