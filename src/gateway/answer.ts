import type { ServerResponse } from 'node:http'
import { JSON } from '../host/globals.js'

/** The only statuses that a POST to a path of ours gets: others make a collector drop what it has. */
export type Status = 200 | 401 | 404 | 405 | 413 | 415 | 503

/** Codes of google.rpc.Status, which the body of an OTLP error is. */
const RPC_CODES: Readonly<Record<Exclude<Status, 200>, number>> = {
  401: 16, // UNAUTHENTICATED
  404: 5, // NOT_FOUND
  405: 12, // UNIMPLEMENTED
  413: 3, // INVALID_ARGUMENT
  415: 3,
  503: 14, // UNAVAILABLE
}

/** In s. A collector that is told more than it has left gives up at once. */
const RETRY_AFTER = '1'

const EMPTY = Buffer.alloc(0)
const EMPTY_JSON = Buffer.from('{}')

/**
 * Answers a request, once: what comes later is not an answer any more.
 *
 * @param message why, for whoever may know; nothing of a row
 * @see https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
 */
export function answer(
  response: ServerResponse,
  status: Status,
  isJson: boolean,
  message = '',
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent || response.destroyed) return
  const body =
    status === 200
      ? isJson
        ? EMPTY_JSON
        : EMPTY
      : isJson
        ? Buffer.from(JSON.stringify({ code: RPC_CODES[status], message }))
        : rpcStatus(RPC_CODES[status], message)
  response.writeHead(status, {
    'content-type': isJson ? 'application/json' : 'application/x-protobuf',
    'content-length': body.length,
    ...(status === 503 && { 'retry-after': RETRY_AFTER }),
    ...headers,
  })
  response.end(body)
}

/** google.rpc.Status: `int32 code = 1; string message = 2`. */
function rpcStatus(code: number, message: string): Buffer {
  const text = Buffer.from(message.slice(0, 1000))
  const length = text.length < 0x80 ? [text.length] : [(text.length & 0x7f) | 0x80, text.length >> 7]
  return Buffer.concat([Buffer.from([0x08, code, 0x12, ...length]), text])
}
