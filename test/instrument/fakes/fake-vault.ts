import { FakeServer } from './fake-server.js'

const STATUS: readonly (readonly [RegExp, number])[] = [
  [/missing/, 404],
  [/denied/, 403],
  [/throttled/, 429],
  [/invalid|garbled/, 400],
  [/behind/, 412],
  [/broken/, 500],
  [/sealed/, 503],
]

/** A Vault: the status of an answer is in the path that is asked for; every secret has the same value. */
export function fakeVault(value: string): Promise<FakeServer> {
  return FakeServer.start(({ path }) => {
    if (/silent/.test(path)) return undefined
    const status = STATUS.find(([pattern]) => pattern.test(path))?.[1] ?? 200
    if (status !== 200) return { status, body: { errors: [`no: ${value}`] } }
    return { status, body: { ...HEAD, ...bodyOf(path, value) } }
  })
}

const HEAD = {
  request_id: 'f0a1-request',
  lease_id: '',
  renewable: false,
  lease_duration: 0,
  wrap_info: null,
  warnings: null,
  auth: null,
  mount_type: 'kv',
}
const METADATA = {
  version: 4,
  created_time: '2026-11-29T10:00:00.000000000Z',
  custom_metadata: null,
  deletion_time: '',
  destroyed: false,
}

function bodyOf(path: string, value: string): object {
  if (/\/data\//.test(path)) return { data: { data: { password: value }, metadata: METADATA } }
  if (/\/creds\//.test(path)) return { lease_id: 'database/creds/orders/lease-1', data: { password: value } }
  if (/\/login|token\/create/.test(path)) return { auth: { client_token: value } }
  if (/\/decrypt\//.test(path)) return { data: { plaintext: Buffer.from(value).toString('base64') } }
  return { data: { password: value } }
}
