import { generateKeyPairSync, privateDecrypt, constants, sign as signBytes } from 'node:crypto'
import { type FakeAnswer, type FakeRequest, FakeServer } from './fake-server.js'

const VERSION = '0123456789abcdef0123456789abcdef'
const CHALLENGE =
  'Bearer authorization="https://login.microsoftonline.com/tenant", resource="https://vault.azure.net"'

const FAILING: Readonly<Record<string, readonly [number, string, string?]>> = {
  missing: [404, 'SecretNotFound'],
  denied: [403, 'Forbidden', 'AccessDenied'],
  disabled: [403, 'Forbidden', 'SecretDisabled'],
  throttled: [429, 'Throttled'],
  broken: [500, 'InternalServerError'],
  invalid: [400, 'BadParameter'],
}

/** A Key Vault: secrets with one value, one RSA key, and the challenge to the first request, which has no token. */
export function fakeAzure(value: string): Promise<FakeServer> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = publicKey.export({ format: 'jwk' })
  return FakeServer.start((request) => {
    const headers = { 'x-ms-request-id': 'azure-request-1' }
    if (request.headers.authorization === undefined) {
      return { status: 401, headers: { ...headers, 'www-authenticate': CHALLENGE } }
    }
    return request.path.includes('silent') ? undefined : { headers, ...answer(request) }
  })

  function answer({ path, headers, body }: FakeRequest): FakeAnswer {
    // Behind TLS it says so in its ids.
    const base = `${String(headers['x-forwarded-proto'] ?? 'http')}://${String(headers.host)}`
    const [, kind = '', name = '', ...rest] = path.split('?')[0]?.split('/') ?? []
    const failure = FAILING[name]
    if (failure !== undefined) {
      const [status, code, inner] = failure
      const innererror = inner === undefined ? undefined : { code: inner }
      return { status, body: { error: { code, message: `no: ${value}`, innererror } } }
    }
    if (kind === 'secrets') {
      return {
        status: 200,
        body: { value, id: `${base}/secrets/${name}/${VERSION}`, attributes: { enabled: true } },
      }
    }
    const kid = `${base}/keys/${name}/${VERSION}`
    const operation = rest.at(-1)
    const given = body === '' ? {} : (JSON.parse(body) as { value?: string })
    const bytes = Buffer.from(given.value ?? '', 'base64url')
    if (operation === 'decrypt' || operation === 'unwrapkey') {
      try {
        const padding = constants.RSA_PKCS1_OAEP_PADDING
        const plain = privateDecrypt({ key: privateKey, padding }, bytes)
        return { status: 200, body: { kid, value: plain.toString('base64url') } }
      } catch {
        return { status: 400, body: { error: { code: 'BadParameter', message: `no: ${value}` } } }
      }
    }
    if (operation === 'sign') {
      const signature = signBytes(null, bytes, privateKey).toString('base64url')
      return { status: 200, body: { kid, value: signature } }
    }
    const key_ops = ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey']
    return { status: 200, body: { key: { ...jwk, kid, key_ops }, attributes: { enabled: true } } }
  }
}

/** A credential that needs no network. */
export const fakeAzureToken = {
  getToken: () => Promise.resolve({ token: 'fake', expiresOnTimestamp: Date.now() + 3_600_000 }),
}

export const AZURE_VERSION = VERSION
