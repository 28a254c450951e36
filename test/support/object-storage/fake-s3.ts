import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type S3Settings } from '../../../src/archive/s3/s3-client.js'
import { type Answer, type Asked, Bucket, type BucketSettings, Refused } from './bucket.js'
import { type Account, refusedBy } from './signature.js'

/** How a request fails. `lost`: it is carried out, and its answer does not arrive. `cut`: half of the body does. `late`: it fails after 200. */
export type Fault =
  | 'reset'
  | 'lost'
  | 'cut'
  | 'late'
  | { readonly status: number; readonly code: string; readonly headers?: Record<string, string> }

export interface Heard extends Asked {
  readonly headers: IncomingMessage['headers']
}

const ACCOUNT: Account = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'canary-of-the-secret-access-key',
  sessionToken: 'canary-of-the-session-token',
  region: 'eu-central-1',
}

/** An S3 in this process with one bucket, which checks every signature, and fails on command. */
export class FakeS3 {
  readonly bucket: Bucket
  readonly requests: Heard[] = []
  /** Asked for each request that is in order. */
  fault: (request: Heard, nth: number) => Fault | undefined = () => undefined
  /** Of its clock. */
  skewMs = 0
  readonly #server: Server
  readonly #port: number

  private constructor(server: Server, bucket: Bucket) {
    this.#server = server
    this.#port = (server.address() as AddressInfo).port
    this.bucket = bucket
    server.on('request', (request, response) => void this.#serve(request, response))
  }

  static async start(settings: BucketSettings = {}): Promise<FakeS3> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new FakeS3(server, new Bucket(settings))
  }

  get settings(): S3Settings {
    return { ...ACCOUNT, endpoint: `http://127.0.0.1:${this.#port}` }
  }

  /** As the command line takes them. */
  get environment(): Record<string, string> {
    return {
      AWS_ACCESS_KEY_ID: ACCOUNT.accessKeyId,
      AWS_SECRET_ACCESS_KEY: ACCOUNT.secretAccessKey,
      AWS_SESSION_TOKEN: ACCOUNT.sessionToken ?? '',
      AWS_REGION: ACCOUNT.region,
      AWS_ENDPOINT_URL_S3: this.settings.endpoint ?? '',
    }
  }

  /** What must be in no row, file, line or error. */
  get secrets(): readonly string[] {
    return [ACCOUNT.secretAccessKey, ACCOUNT.sessionToken ?? '']
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://host')
    const [, name, ...key] = decodeURIComponent(pathname).split('/')
    const header = (one: string): string | undefined => request.headers[one]?.toString()
    const heard = {
      method: request.method ?? '',
      key: key.join('/'),
      query: searchParams,
      header,
      body,
      headers: request.headers,
    }
    this.requests.push(heard)
    const refused = refusedBy(ACCOUNT, request, body, Date.now() + this.skewMs)
    if (refused !== undefined) {
      const region =
        refused === 'AuthorizationHeaderMalformed' ? { 'x-amz-bucket-region': ACCOUNT.region } : {}
      return send(
        response,
        heard,
        errorOf(
          refused.startsWith('Author') || refused.startsWith('X') ? 400 : 403,
          refused,
          refused,
          region,
        ),
      )
    }
    if (name !== 'archives') return send(response, heard, errorOf(404, 'NoSuchBucket'))
    const fault = this.fault(heard, this.requests.length)
    if (fault === 'reset') return void response.socket?.destroy()
    if (typeof fault === 'object')
      return send(response, heard, errorOf(fault.status, fault.code, fault.code, fault.headers))
    if (fault === 'late') return send(response, heard, { ...errorOf(200, 'InternalError') })
    const answer = this.#answer(heard)
    if (fault === 'lost') return void response.socket?.destroy()
    if (fault === 'cut') {
      const whole = Buffer.from(answer.body ?? '')
      response.writeHead(answer.status, { ...answer.headers, 'content-length': whole.length })
      response.write(whole.subarray(0, whole.length / 2), () => response.socket?.destroy())
      return
    }
    send(response, heard, answer)
  }

  #answer(asked: Asked): Answer {
    try {
      return this.bucket.answer(asked)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      return errorOf(error.status, error.code, error.message)
    }
  }
}

function errorOf(status: number, code: string, message = code, headers: Record<string, string> = {}): Answer {
  const body = `<?xml version="1.0"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`
  return { status, headers, body }
}

function send(response: ServerResponse, { method }: Asked, { status, headers, body = '' }: Answer): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
  response.end(method === 'HEAD' ? undefined : body)
}
