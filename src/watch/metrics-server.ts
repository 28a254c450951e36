import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, isIP } from 'node:net'
import { diag } from '../host/diagnostics.js'
import { SECURITY_HEADERS } from '../server/headers.js'
import { notListening } from '../server/serve.js'

export interface MetricsServer {
  /** Where it listens, with the port. */
  readonly url: string
  close(): Promise<void>
}

/** A client that sends nothing, or takes nothing, for so long is gone, in ms. */
const IDLE_TIMEOUT_MS = 10_000
const MOST_CONNECTIONS = 64

/**
 * Serves `/metrics`, and `/healthz`, of a process that serves nothing else. Neither says anything of a row.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION` for an address that cannot be listened on
 */
export async function serveMetrics(
  host: string,
  port: number,
  exposition: () => Promise<string>,
): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?', 1)[0]
    if (request.method !== 'GET' && request.method !== 'HEAD') answer(response, 405, 'GET only\n')
    else if (path === '/healthz') answer(response, 200, 'ok\n')
    else if (path === '/metrics') void answerMetrics(response, exposition)
    else answer(response, 404, 'There is /metrics and /healthz.\n')
  })
  server.maxConnections = MOST_CONNECTIONS
  server.timeout = IDLE_TIMEOUT_MS
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    throw notListening(host, port, error)
  }
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `http://${isIP(host) === 6 ? `[${host}]` : host}:${bound}`,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function answerMetrics(response: ServerResponse, exposition: () => Promise<string>): Promise<void> {
  try {
    answer(response, 200, await exposition(), 'text/plain; version=0.0.4; charset=utf-8')
  } catch (error) {
    diag.error('otel-audit: metrics could not be collected', error)
    answer(response, 503, 'The metrics could not be collected.\n')
  }
}

function answer(
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { ...SECURITY_HEADERS, 'content-type': type }).end(text)
}
