import { createAudit } from 'otel-audit'
import { Trail } from 'otel-audit/query'
import { bearerToken, serveTrail, type ServeOptions } from 'otel-audit/server'
import { metrics } from '@opentelemetry/api'
import { onTestFinished } from 'vitest'
import { prometheusMetrics } from '../../src/server/prometheus.js'

export const TOKEN = 'canary-token-81c2'
export const PATH = '/api/internal/secret-audit'

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Record<string, unknown>
}

export interface Served {
  readonly url: string
  /** GET, with the token unless `headers` say otherwise. */
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>
}

/** The metrics of this process, until the test ends. */
export function exposed(): () => Promise<string> {
  metrics.disable()
  const found = prometheusMetrics()
  if (found === undefined) throw new Error('there is another MeterProvider')
  onTestFinished(() => found.close())
  return found.exposition
}

/** A server on a database of its own test, until the test ends. */
export async function served(databaseUrl: string, options: Partial<ServeOptions> = {}): Promise<Served> {
  const audit = createAudit({ databaseUrl, serviceName: 'server-under-test', lingerMs: 0 })
  const trail = options.trail ?? new Trail({ databaseUrl })
  const server = await serveTrail({
    trail,
    audit: audit.service,
    authenticator: bearerToken(TOKEN),
    port: 0,
    ...options,
  })
  onTestFinished(async () => {
    await server.close(100)
    await trail.close()
    await audit.close()
  })
  return {
    url: server.url,
    async get(path, headers = { authorization: `Bearer ${TOKEN}` }) {
      const response = await fetch(server.url + path, { headers })
      const text = await response.text()
      const isJson =
        /json/.test(response.headers.get('content-type') ?? '') &&
        !/ndjson/.test(response.headers.get('content-type') ?? '')
      return {
        status: response.status,
        headers: response.headers,
        text,
        body: isJson ? (JSON.parse(text) as Record<string, unknown>) : {},
      }
    },
  }
}
