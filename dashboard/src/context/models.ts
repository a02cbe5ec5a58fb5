// The models behind the gateway: which there are, asking one, and stopping it.

import { channel } from './context.ts';
import { gatewayUrl, request } from './gateway.ts';
import { requestInfo } from './request-info.ts';

/** Whether the gateway has models to ask. */
export async function hasModels(): Promise<boolean> {
  return (await requestInfo()).models ?? false;
}

/** Returns the names of the models that this page may choose from; the gateway has a default. */
export async function modelNames(): Promise<string[]> {
  const response = await request(new URL('v1/models', gatewayUrl()));
  if (!response?.ok) return [];
  const { data } = (await response.json()) as { data: { id: string }[] };
  return data.map(({ id }) => id);
}

/** Whether a model is answering in the channel of the page. */
export async function hasOpenAnswer(): Promise<boolean> {
  const url = new URL('llm/runs', gatewayUrl());
  url.searchParams.set('channel', channel());
  const response = await request(url);
  if (!response?.ok) return false;
  const { runs } = (await response.json()) as { runs: { status: string }[] };
  return runs.length > 0;
}

/** The gateway's response to a question, or a problem document. */
interface AskResponse {
  run?: string;
  detail?: string;
}

/**
 * Asks a model in the channel of the page, or the default one if the name is empty. Resolves to its
 * run, or to why there is none.
 */
export function ask(model: string, question: string): Promise<AskResponse> {
  const url = new URL(`llm/${encodeURIComponent(channel())}`, gatewayUrl());
  const messages = [{ role: 'user', content: question }];
  return post(url, JSON.stringify({ ...(model && { model }), messages }));
}

/** Stops a run; resolves to why it could not be stopped. */
export function cancel(run: string): Promise<AskResponse> {
  return post(new URL(`llm/runs/${encodeURIComponent(run)}/cancel`, gatewayUrl()), null);
}

async function post(url: URL, body: string | null): Promise<AskResponse> {
  const headers: HeadersInit = body ? { 'Content-Type': 'application/json' } : {};
  const response = await request(url, { method: 'POST', headers, body });
  const answer = (await response?.json().catch(() => null)) as AskResponse | null;
  if (response?.ok) return answer ?? {};
  return { detail: answer?.detail ?? (response ? String(response.status) : undefined) };
}
