import { connect, createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { claiming } from '../../../src/instrument/claim.js'
import type { InstrumentSettings } from '../../../src/instrument/settings.js'
import { watchHttp2 } from '../../../src/instrument/wire/http2.js'
import { said, type Watched, watched } from '../watched.js'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
/** From where on Node tells of the streams of its HTTP/2 clients. */
const isTold = major > 22 || (major === 22 && minor >= 23)

const NAME = 'projects/p/secrets/db/versions/latest'

/** A gRPC server that ends each call with that status. @returns its address, and how many calls came */
async function grpcServer(status: number): Promise<{ readonly url: string; calls: number }> {
  const server = createServer()
  server.on('stream', (stream) => {
    self.calls++
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(status) }))
    stream.end('hunter2-canary')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const self = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls: 0 }
  return self
}

/** One call. @returns what came, or the error */
function call(
  url: string,
  api = 'secretmanager.v1.SecretManagerService/AccessSecretVersion',
): Promise<string> {
  const client = connect(url)
  const stream = client.request({
    ':method': 'POST',
    ':path': `/google.cloud.${api}`,
    'content-type': 'application/grpc',
    'x-goog-request-params': `name=${encodeURIComponent(NAME)}`,
  })
  return new Promise<string>((resolve, reject) => {
    let text = ''
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    stream.on('error', reject)
    stream.on('close', () => resolve(text))
    stream.end()
  }).finally(() => client.close())
}

function scene(settings: Partial<InstrumentSettings> = {}): Watched {
  const at = watched({}, settings)
  onTestFinished(watchHttp2(at.watch))
  return at
}

function ofNewerNode(): void {
  it.each([
    [0, 'ok'],
    [5, 'credential_not_found'],
    [7, 'access_denied'],
  ])('that ends with %i is observed, and recorded as %s', async (status, outcome) => {
    const { url } = await grpcServer(status)
    const at = scene()
    await call(url)
    expect((await at.rows()).map(said)).toEqual([
      {
        credential: NAME,
        operation: 'get_credential',
        outcome,
        provider: 'gcp',
        api: 'AccessSecretVersion',
        seen: 'observed',
      },
    ])
    expect(at.watch.coverage.entries()).toMatchObject([{ name: 'grpc:gcp', state: 'observed' }])
  })

  it('where instrumentation is required: nothing is sent', async () => {
    const server = await grpcServer(0)
    const at = scene({ instrument: 'required' })
    await expect(call(server.url)).rejects.toMatchObject({ code: 'AUDIT_NOT_COVERED' })
    expect(server.calls).toBe(0)
    expect((await at.rows()).map(said)).toMatchObject([{ outcome: 'aborted' }])
  })

  it('that a hook has claimed is not recorded again; nor is another call', async () => {
    const { url } = await grpcServer(0)
    const at = scene()
    const key = { provider: 'gcp', operation: 'get_credential', credentials: [NAME] }
    await claiming({ kind: 'access', key }, () => call(url))
    await call(url, 'secretmanager.v1.SecretManagerService/ListSecrets')
    expect(await at.rows()).toEqual([])
    expect(at.watch.coverage.entries()).toEqual([])
  })
}

function ofOlderNode(): void {
  it('is not told of, and nothing breaks', async () => {
    const { url } = await grpcServer(0)
    const at = scene()
    expect(await call(url)).toContain('hunter2')
    expect(await at.rows()).toEqual([])
  })
}

describe('gRPC of a client without a hook', isTold ? ofNewerNode : ofOlderNode)
