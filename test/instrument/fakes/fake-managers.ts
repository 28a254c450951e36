import { type FakeAnswer, FakeServer } from './fake-server.js'

/**
 * Kubernetes, Infisical, 1Password Connect and Doppler in one, by the paths of their HTTP APIs. Every secret has the same value;
 * one with `denied` in its path is refused.
 */
export function fakeManagers(value: string): Promise<FakeServer> {
  return FakeServer.start(({ path }) => {
    const [, make] = APIS.find(([pattern]) => pattern.test(path)) ?? []
    if (make === undefined) return { status: 404, body: { message: `there is no ${path}` } }
    return /denied/.test(path) ? DENIED : { status: 200, body: make(value) }
  })
}

/** With what each of them has in its refusals. */
const DENIED: FakeAnswer = {
  status: 403,
  body: {
    apiVersion: 'v1',
    kind: 'Status',
    status: 'Failure',
    reason: 'Forbidden',
    code: 403,
    statusCode: 403,
    error: 'Forbidden',
    message: 'denied',
    messages: ['denied'],
    success: false,
  },
}

const APIS: readonly (readonly [path: RegExp, (value: string) => object])[] = [
  [
    /^\/api\/v1\/namespaces\/[^/]+\/secrets\//,
    (value) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'orders-db', namespace: 'orders' },
      type: 'Opaque',
      data: { password: Buffer.from(value).toString('base64') },
    }),
  ],
  [
    /^\/api\/v[34]\/secrets\//,
    (value) => ({
      secret: { id: 'i', version: 3, type: 'shared', secretKey: 'orders-db', secretValue: value },
    }),
  ],
  [
    /^\/v1\/vaults\/[^/]+\/items\//,
    (value) => ({
      id: 'item',
      title: 'orders-db',
      category: 'LOGIN',
      vault: { id: 'vault' },
      fields: [{ id: 'password', type: 'CONCEALED', label: 'password', value }],
    }),
  ],
  [
    /^\/v3\/configs\/config\/secret\?/,
    (value) => ({ name: 'orders-db', value: { raw: value, computed: value }, success: true }),
  ],
]
