import { request as httpRequest } from 'node:http'
import { onTestFinished } from 'vitest'
import { DurableAuditExporter } from '../../src/exporter/exporter.js'
import { type GatewayOptions, type GatewayServer, serveGateway } from '../../src/gateway/serve-gateway.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { protobufOf } from '../support/gateway/requests.js'

export interface RunningGateway extends GatewayServer {
  readonly exporter: DurableAuditExporter
}

/** A gateway in this process, on a free port. Closed when the test ends. */
export async function startGateway(
  databaseUrl: string,
  options: Partial<GatewayOptions> = {},
): Promise<RunningGateway> {
  const sink = new PostgresAuditSink({ databaseUrl })
  const exporter = new DurableAuditExporter({ sink, identity: { serviceName: 'gateway' }, lingerMs: 0 })
  // A loaded machine is no reason to be told to come again.
  const limits = { deadlineMs: 60_000, ...options.limits }
  const server = await serveGateway({ exporter, port: 0, ...options, limits })
  onTestFinished(async () => {
    await server.close(1000)
    await exporter.close(1000)
  })
  return { ...server, exporter }
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

export interface PostOptions {
  readonly path?: string
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Posts a body; an object as protobuf. */
export async function post(url: string, body: Buffer | object, options: PostOptions = {}): Promise<Answer> {
  const { type = 'application/x-protobuf', headers = {} } = options
  const path = options.path ?? (!Buffer.isBuffer(body) && 'resourceLogs' in body ? '/v1/logs' : '/v1/traces')
  const bytes = Buffer.isBuffer(body)
    ? body
    : type === 'application/json'
      ? Buffer.from(JSON.stringify(body))
      : protobufOf(body)
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      new URL(path, url),
      { method: 'POST', headers: { 'content-type': type, 'content-length': bytes.length, ...headers } },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          }),
        )
        response.on('error', reject)
      },
    )
    request.on('error', reject)
    request.end(bytes)
  })
}
