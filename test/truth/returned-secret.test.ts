import { createSecretKey, generateKeyPairSync } from 'node:crypto'
import { Readable } from 'node:stream'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { AuditFields } from '../../src/event/event.js'
import { redactReturned } from '../../src/service/redact.js'
import { SecretForms } from '../../src/service/secret-forms.js'
import { recording } from '../service/recording.js'

// What guard returns is in no row: whatever the value is made of, however the text writes it, and in whatever field.

const SECRET = 'canary-S3cr3t+V/alue=9!'
const utf8 = Buffer.from(SECRET)
const b64 = (text: string | Buffer): string => Buffer.from(text).toString('base64')
const hex = (text: string): string => Buffer.from(text).toString('hex')

class Getter {
  readonly #v = SECRET
  get value(): string {
    return this.#v
  }
}
class ToText {
  readonly #v = SECRET
  toString(): string {
    return this.#v
  }
}
class ToJson {
  readonly kind = 'password'
  readonly #v = SECRET
  toJSON(): object {
    return { v: this.#v }
  }
}
class Static {
  readonly kind = 'password'
  readonly #v = SECRET
  static open(of: Static): string {
    return of.#v
  }
}
const hidden = new WeakMap<object, string>()
// oxlint-disable-next-line typescript/no-extraneous-class -- what it has is somewhere else
class Elsewhere {
  constructor() {
    hidden.set(this, SECRET)
  }
}
class SubMap extends Map<string, string> {
  reveal(): string {
    return SECRET
  }
}
const form = new FormData()
form.set('p', SECRET)
const wide = new Uint16Array(Array.from(SECRET, (c) => c.charCodeAt(0)))
const { privateKey } = generateKeyPairSync('ed25519')

const READABLE: readonly [string, unknown][] = [
  ['a string', SECRET],
  ['a string with white space around it', ` ${SECRET}\n`],
  ['a boxed string', new String(SECRET)],
  ['a Buffer', utf8],
  ['a DataView', new DataView(new Uint8Array(utf8).buffer)],
  ['UTF-16 in a typed array', wide],
  ['an array of characters', Array.from(SECRET)],
  ['an array of bytes', [...utf8]],
  ['a Buffer as JSON', utf8.toJSON()],
  ['nested', { a: [{ b: new Map([[1, new Set([SECRET])]]) }] }],
  ['a symbol as key', { [Symbol('s')]: SECRET }],
  ['a property that is not enumerable', Object.defineProperty({}, 's', { value: SECRET })],
  ['URLSearchParams', new URLSearchParams({ p: SECRET })],
  ['Headers', new Headers({ authorization: SECRET })],
  ['FormData', form],
  ['a URL', new URL(`https://u:${encodeURIComponent(SECRET)}@h/`)],
  ['a connection string', `postgres://u:${SECRET}@h/d`],
  ['a connection string of another kind', `Server=h;User Id=u;Password=${SECRET};Encrypt=true`],
  ['JSON text', JSON.stringify({ auth: { password: SECRET } })],
  ['JSON text that is JSON text', JSON.stringify(JSON.stringify({ password: SECRET }))],
  ['an environment file', `# comment\nUSER=u\nDB_PASSWORD="${SECRET}"\n`],
  ['YAML', `user: u\npassword: ${SECRET}\n`],
  ['base64 of it, as Kubernetes has secrets', { data: { password: b64(SECRET) } }],
  ['hex of it', hex(SECRET)],
  ['an ArrayBuffer of another realm', runInNewContext('new Uint8Array(x).buffer', { x: [...utf8] })],
  ['a Map of another realm', runInNewContext('new Map([[1, x]])', { x: SECRET })],
  ['an object of another realm', runInNewContext('({ a: { b: x } })', { x: SECRET })],
  ['an error with a cause', new Error('e', { cause: SECRET })],
]

const OPAQUE: readonly [string, unknown][] = [
  ['a getter of the prototype', new Getter()],
  ['toString()', new ToText()],
  ['toJSON()', new ToJson()],
  ['a private field without a method', new Static()],
  ['a class that keeps it elsewhere', new Elsewhere()],
  ['a subclass of Map', new SubMap()],
  ['a function', Object.assign(() => SECRET, { kind: 'f' })],
  ['a function in an object', { reveal: () => SECRET }],
  ['a KeyObject', createSecretKey(utf8)],
  ['a private key', privateKey],
  ['a Blob', new Blob([SECRET])],
  ['a Readable', Readable.from([SECRET])],
  ['a Response', new Response(SECRET)],
  ['a ReadableStream', new Response(SECRET).body],
  ['a nested promise', { p: Promise.resolve(SECRET) }],
  [
    'an iterator',
    {
      *[Symbol.iterator]() {
        yield SECRET
      },
    },
  ],
  [
    'a generator',
    (function* () {
      yield SECRET
    })(),
  ],
  ['a WeakRef', { r: new WeakRef({ SECRET }) }],
  ['a WeakMap', new WeakMap([[utf8, SECRET]])],
  [
    'a proxy that hides keys',
    new Proxy({ s: SECRET }, { ownKeys: () => [], getOwnPropertyDescriptor: () => undefined }),
  ],
  ['too many parts', Array.from({ length: 10_001 }, (_, i) => i)],
  ['too many bytes', { a: 'x'.repeat(300_000), b: SECRET }],
  ['JSON text with too many parts', JSON.stringify(Array.from({ length: 20_000 }, (_, i) => i))],
]

const ENCODINGS: readonly [string, (text: string) => string][] = [
  ['as it is', (s) => s],
  ['in upper case', (s) => s.toUpperCase()],
  ['a prefix of 16 in quotes', (s) => `"${s}"`],
  ['as JSON', (s) => JSON.stringify(s)],
  ['as JSON in JSON', (s) => JSON.stringify(JSON.stringify({ s }))],
  [
    'in \\u escapes',
    (s) => Array.from(s, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join(''),
  ],
  ['in \\x escapes', (s) => hex(s).replace(/../g, '\\x$&')],
  ['in HTML', (s) => s.replace('+', '&#43;').replace('=', '&#x3D;').replace('!', '&#33;')],
  ['in a URL', encodeURIComponent],
  ['in a URL, in lower case', (s) => encodeURIComponent(s).toLowerCase()],
  ['in a URL, twice', (s) => encodeURIComponent(encodeURIComponent(s))],
  ['in a URL, every byte', (s) => hex(s).replace(/../g, '%$&')],
  ['as a form', (s) => new URLSearchParams({ s }).toString()],
  ['in hex', hex],
  ['in hex, with colons', (s) => hex(s).replace(/..(?=.)/g, '$&:')],
  [
    'in hex, upper case, with spaces',
    (s) =>
      hex(s)
        .toUpperCase()
        .replace(/..(?=.)/g, '$& '),
  ],
  ['in hex, with 0x', (s) => `0x${hex(s)}`],
  ['in base64', b64],
  ['in base64url', (s) => Buffer.from(s).toString('base64url')],
  ['in base64, as u:…', (s) => b64(`u:${s}`)],
  ['in base64, as usr:…', (s) => `Basic ${b64(`usr:${s}`)}`],
  ['in base64, as us:…', (s) => b64(`us:${s}`)],
  ['in base64, inside JSON', (s) => b64(JSON.stringify({ name: 'x', s }))],
  ['in base64, twice', (s) => b64(b64(s))],
  ['in base64, of a URL', (s) => b64(encodeURIComponent(s))],
  ['in base64, in a URL', (s) => encodeURIComponent(b64(s))],
  ['in base64, in hex', (s) => hex(b64(s))],
  ['in base64, wrapped', (s) => b64(s).replace(/(.{8})/g, '$1\n')],
  ['in base64, wrapped with spaces', (s) => b64(s).replace(/(.{8})/g, '$1\r\n    ')],
  ['in base64 of UTF-16', (s) => Buffer.from(s, 'utf16le').toString('base64')],
  ['in hex of big-endian UTF-16', (s) => Buffer.from(s, 'utf16le').swap16().toString('hex')],
  ['in quoted-printable', (s) => hex(s).replace(/../g, (pair) => `=${pair.toUpperCase()}`)],
]

const IDENTIFIERS = [
  'credential',
  'workerId',
  'serverRegion',
  'brokerRegion',
  'kekVersion',
  'actorId',
  'sourceAddress',
] as const
const FINE = {
  credential: 'orders-db',
  actorId: 'alice@example.com',
  workerId: 'worker-0001',
  kekVersion: 'v1',
} as const
const cleanOf = (fields: Partial<AuditFields>, value: unknown): string =>
  JSON.stringify(redactReturned(fields, value)?.fields ?? fields)

describe.each(READABLE)('%s', (_, value) => {
  it.each(ENCODINGS)('is found in free text, %s', (_name, encode) => {
    const form = encode(SECRET)
    expect(redactReturned({ notes: `got ${form} ok` }, value)?.fields.notes).toBe('[redacted]')
    expect(cleanOf({ attributes: { a: `x ${form}` } }, value)).toContain('"a":"[redacted]"')
  })

  it('is found in every identifier, and changes none that is something else', () => {
    for (const field of IDENTIFIERS) {
      for (const text of [SECRET, `x-${SECRET}`, b64(SECRET), encodeURIComponent(SECRET)])
        expect([field, redactReturned({ [field]: text }, value)?.fields[field]]).toEqual([
          field,
          '[redacted]',
        ])
    }
    expect(
      redactReturned({ ...FINE, notes: 'from the cache', attributes: { tenant: 'tenant-1' } }, value),
    ).toBe(undefined)
  })
})

describe.each(OPAQUE)('%s', (_, value) => {
  it.each(ENCODINGS)('may be in free text, %s', (_name, encode) => {
    const clean = cleanOf(
      { notes: `got ${encode(SECRET)} ok`, attributes: { a: encode(SECRET), n: 5, s: 'vault' } },
      value,
    )
    expect(JSON.parse(clean)).toEqual({
      notes: '[redacted]',
      attributes: { a: '[redacted]', n: 5, s: 'vault' },
    })
  })

  it('changes no identifier', () => {
    expect(redactReturned(FINE, value)).toBeUndefined()
  })

  it('is refused where that is asked for', async () => {
    const { service, row } = recording()
    const access = { credential: 'orders-db', operation: 'get_credential', notes: `got ${SECRET}` } as const
    // A promise of a promise is awaited: in an object it is not.
    const guarded = service.guard(access, () => ({ value }), { opaque: 'refuse' })
    await expect(guarded).rejects.toMatchObject({ code: 'AUDIT_INVALID_EVENT', field: 'notes' })
    expect(await row()).toMatchObject({ outcome: 'other', notes: '[redacted]' })
  })
})

describe('parts of what is returned', () => {
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString()
  const lines = rsa.split('\n')
  const texts: readonly [string, unknown, string][] = [
    ['one line of a PEM', pem, pem.split('\n')[1] ?? ''],
    ['a line in the middle', rsa, lines[7] ?? ''],
    ['half a line, and half of the next', rsa, `${lines[3]?.slice(32)}${lines[4]?.slice(0, 32)}`],
    ['a PEM on one line', pem, pem.replaceAll('\n', '')],
    ['a PEM on one line, with \\n', pem, pem.replaceAll('\n', '\\n')],
    ['the DER of a PEM in hex', pem, privateKey.export({ type: 'pkcs8', format: 'der' }).toString('hex')],
    ['the first half of a token', 'tok_0123456789abcdefghijklmnopqrstuv', 'tok_0123456789abcdef'],
    ['the end of a token', 'tok_0123456789abcdefghijklmnopqrstuv', 'ghijklmnopqrstuv'],
    [
      'the signature of a JWT',
      `${b64('{"alg":"x"}')}.${b64('{"sub":"y"}')}.${'s1G'.repeat(14)}`,
      's1G'.repeat(14),
    ],
  ]

  it.each(texts)('%s', (_, returned, text) => {
    expect(text.length).toBeGreaterThan(10)
    expect(new SecretForms(returned).isIn(`x ${text} y`)).toBe(true)
    expect(new SecretForms({ nested: [returned] }).isIn(text)).toBe(true)
  })

  it('are not what everything has', () => {
    for (const [, returned] of texts)
      expect(new SecretForms(returned).isIn('resolved by the broker in 12 ms')).toBe(false)
  })
})

describe('numbers', () => {
  it.each([12345678901234, 12345678901234n, { pin: 12345678901234 }])(
    'of 8 digits or more are found: %s',
    (value) => {
      expect(redactReturned({ notes: 'pin 12345678901234' }, value)).toBeDefined()
    },
  )

  it('are redacted where an attribute is one', () => {
    expect(redactReturned({ attributes: { pin: 12345678 } }, '12345678')?.fields.attributes).toEqual({
      pin: '[redacted]',
    })
    expect(redactReturned({ attributes: { pin: 1234, n: 12345678 } }, '87654321')).toBeUndefined()
  })
})

describe('what names somebody beside the secret', () => {
  it('stays in the identifiers, and goes from no free text unseen', () => {
    const value = { username: 'orders-service', host: 'db.internal.example', password: SECRET }
    const fields = {
      credential: 'orders-service',
      actorId: 'orders-service',
      sourceAddress: 'db.internal.example',
    }
    expect(redactReturned(fields, value)).toBeUndefined()
    expect(redactReturned({ ...fields, workerId: SECRET }, value)?.fields.workerId).toBe('[redacted]')
  })

  it('a short value is found where a field is nothing else', () => {
    expect(
      redactReturned({ credential: 'hunter2', notes: 'the hunter2' }, 'hunter2')?.fields.credential,
    ).toBe('[redacted]')
    expect(redactReturned({ notes: 'the hunter2' }, 'hunter2')).toBeUndefined()
  })
})

describe('guard', () => {
  it.each(['credential', 'actorId', 'workerId', 'sourceAddress'])(
    'stores no secret that is passed as %s',
    async (field) => {
      const { service, row, exporter } = recording()
      const access = { credential: 'orders-db', operation: 'get_credential', [field]: SECRET } as const
      expect(await service.guard(access, () => SECRET, { mode: 'strict' })).toBe(SECRET)
      expect(
        JSON.stringify(await row(), (_, v: unknown) => (typeof v === 'bigint' ? `${v}` : v)),
      ).not.toContain('canary')
      expect(exporter.metrics.total('records.redacted')).toBe(1)
    },
  )

  it.each<[string, unknown]>([
    ['a promise', Promise.resolve(SECRET)],
    ['nothing', undefined],
    ['the secret', SECRET],
    ['null', null],
    ['a number', 7],
  ])('refuses %s in place of a function, before anything is recorded', async (_, fn) => {
    const { service, rows } = recording()
    const error: unknown = await service
      .guard({ credential: 'orders-db', operation: 'get_credential' }, fn as () => string)
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'AUDIT_INVALID_OPTION', field: 'fn' })
    expect(String(error)).toContain('() =>')
    expect(String(error)).not.toContain('canary')
    expect(await rows()).toEqual([])
  })
})

describe('the cost', () => {
  it('is bounded: a text or value that is too large counts as containing', () => {
    expect(new SecretForms(SECRET).isIn('ab '.repeat(30_000))).toBe(true)
    expect(
      new SecretForms(Array.from({ length: 9_000 }, (_, i) => `part number ${i}`)).isIn('x'.repeat(1024)),
    ).toBe(false)
  })
})
