import { inspect } from 'node:util'
import { AuditError, createAudit, NoopAuditSink, RecordingAuditSink, SecretAuditService } from 'otel-audit'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { taken } from '../../src/host/globals.js'
import { maskedDatabaseUrl } from '../../src/options/database-url.js'
import type { OptionSpec } from '../../src/options/option-spec.js'
import { type AuditOptions, OPTIONS } from '../../src/options/options.js'
import { READ_OPTIONS } from '../../src/options/read-options.js'
import { GATEWAY_OPTIONS } from '../../src/options/gateway-options.js'
import {
  resolveGatewayOptions,
  resolveObjectStorageOptions,
  resolveOptions,
  resolveReadOptions,
  resolveRetentionOptions,
  resolveVerifyOptions,
} from '../../src/options/resolve.js'
import { OBJECT_STORAGE_OPTIONS } from '../../src/options/object-storage-options.js'
import { RETENTION_OPTIONS } from '../../src/options/retention-options.js'
import { VERIFY_OPTIONS } from '../../src/options/verify-options.js'
import { optionsPage } from '../support/reference-docs.js'

const ROWS = Object.entries<OptionSpec>(OPTIONS)

/** The last four are of Postgres, and no parser finds the server in them. */
const NO_DATABASES = [
  'localhost:5432/app',
  '127.0.0.1',
  'mysql://u:p@h/db',
  '/tmp app',
  'postgres:db',
  'postgres://orders:p@ss#1@h:5432/app',
  'postgres://u:p/s@h/db',
  'postgres://u:p?s@h/db',
  'postgres://u:5/s@h/db',
]

/** Values at the edges of what an option accepts, and some beyond: in code and as text of a variable. */
function examples(spec: OptionSpec): { good: unknown[]; bad: unknown[]; badText: string[] } {
  switch (spec.kind) {
    case 'text':
      return { good: ['a', ' '], bad: ['', 5, true, null, {}], badText: [] }
    case 'databaseUrl':
      return {
        good: [
          'postgres://u:p@h/db',
          'postgresql://h/db',
          'postgres:///db?host=/tmp',
          'postgres://u@/db?host=/tmp',
        ],
        bad: ['', 'a', 5, true, null, {}, ...NO_DATABASES],
        badText: [],
      }
    case 'switch':
      return { good: [true, false], bad: ['true', 'no', 1, 0, null], badText: ['maybe', '2'] }
    case 'choice':
      return { good: [...spec.choices], bad: ['', 'ON', 5, true], badText: ['ON', 'none'] }
    case 'integer': {
      const { min, max } = spec
      return {
        good: [min, max],
        bad: [min - 1, max + 1, min + 0.5, Number.NaN, String(min), BigInt(min), null],
        badText: [String(min - 1), String(max + 1), `${min}.5`, '1e3', '0x10', '+5', 'many', '5 s'],
      }
    }
  }
}

const given = (name: string, value: unknown) => resolveOptions({ [name]: value }, {})
const invalid = (field: string, message = '') =>
  expect.objectContaining({ code: 'AUDIT_INVALID_OPTION', field, message: expect.stringContaining(message) })

describe.each(ROWS)('the option %s', (name, spec) => {
  const key = name as keyof typeof OPTIONS
  const { good, bad, badText } = examples(spec)

  it('has its default when nobody says otherwise', () => {
    expect(resolveOptions({}, {})[key]).toBe(spec.default)
    expect(given(name, undefined)[key]).toBe(spec.default)
  })

  it('is taken from code up to its bounds', () => {
    for (const value of good) expect(given(name, value)[key]).toBe(value)
  })

  it('is refused in code beyond them, by name', () => {
    for (const value of bad) expect(() => given(name, value)).toThrow(invalid(name, `${name} must be`))
    // Before anything else is done with it, too.
    expect(() => createAudit({ [name]: bad[0] })).toThrow(invalid(name))
  })

  it.each(spec.variables.map((variable) => [variable]))('is taken from %s, up to its bounds', (variable) => {
    for (const value of good) expect(resolveOptions({}, { [variable]: String(value) })[key]).toBe(value)
    for (const text of badText) {
      expect(() => resolveOptions({}, { [variable]: text })).toThrow(invalid(variable, text))
    }
    expect(resolveOptions({}, { [variable]: '' })[key]).toBe(spec.kind === 'switch' ? false : spec.default)
  })

  it('in code goes before its variables, and these in order', () => {
    const [first, second] = good
    const environment = Object.fromEntries(
      spec.variables.map((variable, i) => [variable, String(good[i] ?? first)]),
    )
    if (spec.variables.length > 0) expect(resolveOptions({}, environment)[key]).toBe(first)
    expect(resolveOptions({ [name]: second ?? first }, environment)[key]).toBe(second ?? first)
  })
})

describe.each(Object.entries<OptionSpec>(READ_OPTIONS))('the option of reading %s', (name, spec) => {
  const key = name as keyof typeof READ_OPTIONS
  const { good, bad, badText } = examples(spec)

  it('has its default, is taken from code and from its variable, and refused by name', () => {
    expect(resolveReadOptions({}, {})[key]).toBe(spec.default)
    for (const value of good) expect(resolveReadOptions({ [name]: value }, {})[key]).toBe(value)
    for (const value of bad) expect(() => resolveReadOptions({ [name]: value }, {})).toThrow(invalid(name))
    for (const variable of spec.variables) {
      for (const value of good) {
        expect(resolveReadOptions({}, { [variable]: String(value) })[key]).toBe(value)
      }
      for (const text of badText) {
        expect(() => resolveReadOptions({}, { [variable]: text })).toThrow(invalid(variable, text))
      }
    }
  })

  it('is none of recording', () => {
    expect(() => createAudit({ [name]: good[0] })).toThrow(invalid(name))
    expect(resolveOptions({}, { [spec.variables[0] ?? '']: String(good[0]) })).not.toHaveProperty(name)
  })
})

describe.each(Object.entries<OptionSpec>(GATEWAY_OPTIONS))('the option of the gateway %s', (name, spec) => {
  const key = name as keyof typeof GATEWAY_OPTIONS
  const { good, bad, badText } = examples(spec)

  it('has its default, is taken from code and from its variable, and refused by name', () => {
    expect(resolveGatewayOptions({}, {})[key]).toBe(spec.default)
    for (const value of good) expect(resolveGatewayOptions({ [name]: value }, {})[key]).toBe(value)
    for (const value of bad) expect(() => resolveGatewayOptions({ [name]: value }, {})).toThrow(invalid(name))
    for (const variable of spec.variables) {
      for (const value of good) {
        expect(resolveGatewayOptions({}, { [variable]: String(value) })[key]).toBe(value)
      }
      for (const text of badText) {
        expect(() => resolveGatewayOptions({}, { [variable]: text })).toThrow(invalid(variable, text))
      }
    }
  })
})

describe.each(Object.entries<OptionSpec>(VERIFY_OPTIONS))('the option of verification %s', (name, spec) => {
  const key = name as keyof typeof VERIFY_OPTIONS
  const { good, bad, badText } = examples(spec)

  it('has its default, is taken from code and from its variable, and refused by name', () => {
    expect(resolveVerifyOptions({}, {})[key]).toBe(spec.default)
    for (const value of good) expect(resolveVerifyOptions({ [name]: value }, {})[key]).toBe(value)
    for (const value of bad) expect(() => resolveVerifyOptions({ [name]: value }, {})).toThrow(invalid(name))
    for (const variable of spec.variables) {
      for (const value of good)
        expect(resolveVerifyOptions({}, { [variable]: String(value) })[key]).toBe(value)
      for (const text of badText)
        expect(() => resolveVerifyOptions({}, { [variable]: text })).toThrow(invalid(variable))
    }
  })
})

describe.each(Object.entries<OptionSpec>(RETENTION_OPTIONS))('the option of retention %s', (name, spec) => {
  const key = name as keyof typeof RETENTION_OPTIONS
  const { good, bad } = examples(spec)

  it('has its default, is taken from code and from its variable, and refused by name', () => {
    expect(resolveRetentionOptions({}, {})[key]).toBe(spec.default)
    for (const value of good) expect(resolveRetentionOptions({ [name]: value }, {})[key]).toBe(value)
    for (const value of bad)
      expect(() => resolveRetentionOptions({ [name]: value }, {})).toThrow(invalid(name))
    for (const variable of spec.variables)
      expect(resolveRetentionOptions({}, { [variable]: 'x' })[key]).toBe('x')
  })
})

describe.each(Object.entries<OptionSpec>(OBJECT_STORAGE_OPTIONS))(
  'the option of object storage %s',
  (name, spec) => {
    const key = name as keyof typeof OBJECT_STORAGE_OPTIONS

    it('has no default, is taken from code and from the first of its variables that is set', () => {
      expect(resolveObjectStorageOptions({}, {})[key]).toBeUndefined()
      expect(resolveObjectStorageOptions({ [name]: 'given' }, {})[key]).toBe('given')
      expect(() => resolveObjectStorageOptions({ [name]: '' }, {})).toThrow(invalid(name))
      const all = Object.fromEntries(spec.variables.map((variable) => [variable, variable]))
      expect(resolveObjectStorageOptions({}, all)[key]).toBe(spec.variables[0])
      for (const variable of spec.variables)
        expect(resolveObjectStorageOptions({}, { [variable]: 'x' })[key]).toBe('x')
    })
  },
)

describe('a policy', () => {
  it.each(['strict', 'deadlineMs', 'instrumentActor'])(
    'may be given for %s in code, and for nothing else',
    (name) => {
      const policy = () => true
      expect(given(name, policy)[name as 'strict']).toBe(policy)
      for (const [other] of ROWS) {
        // A URL may be given by a function as well.
        if (['strict', 'deadlineMs', 'instrumentActor', 'databaseUrl'].includes(other)) continue
        expect(() => given(other, policy)).toThrow(invalid(other))
      }
    },
  )
})

describe('what there is none of', () => {
  it.each([
    ['deadlineMS', 'Did you mean deadlineMs?'],
    ['databaseURL', 'Did you mean databaseUrl?'],
    ['spoolDir', 'Did you mean spoolDirectory?'],
    ['somethingElse', 'docs/options.md'],
    ['constructor', 'no option constructor'],
    ['__proto__', 'no option __proto__'],
    ['toString', 'no option toString'],
  ])('%s in code is an error: %s', (name, hint) => {
    const options = JSON.parse(`{"${name}":1}`) as AuditOptions
    expect(() => createAudit(options)).toThrow(invalid(name, hint))
  })

  it.each([
    ['NOETL_SECRET_AUDIT_REQUIERD', 'Did you mean NOETL_SECRET_AUDIT_REQUIRED?'],
    ['NOETL_SECRET_AUDIT_SPOOL_DIRECTORY', 'Did you mean NOETL_SECRET_AUDIT_SPOOL_DIR?'],
    ['NOETL_SECRET_AUDIT_FOO', 'See docs/options.md'],
    ['NOETL_SECRET_AUDIT_', 'See docs/options.md'],
    ['NOETL_SECRET_AUDIT_required', 'Did you mean NOETL_SECRET_AUDIT_REQUIRED?'],
  ])('the variable %s is an error: %s', (variable, hint) => {
    expect(() => resolveOptions({}, { [variable]: 'x' })).toThrow(invalid(variable, hint))
  })

  it('the variables of others are not our business', () => {
    const others = {
      NOETL_SERVER_PORT: 'x',
      OTEL_TRACES_SAMPLER: 'always_on',
      PATH: '/bin',
      noetl_secret_audit_x: 'y',
    }
    expect(resolveOptions({}, others)).toEqual(resolveOptions({}, {}))
  })

  it.each([[null], ['postgres://localhost'], [[]], [5]])('%s in place of options is an error', (options) => {
    expect(() => createAudit(options as never)).toThrow(invalid('options', 'must be an object'))
  })

  it.each([['noop'], [{}], [null], [{ write: 5 }]])('%j in place of a sink is an error', (sink) => {
    expect(() => createAudit({ sink: sink as never })).toThrow(invalid('sink', 'must be'))
  })
})

describe('a secret in an option', () => {
  const secret = 'canary-3fd01c'

  it('is in no error, whatever is wrong with it or beside it', () => {
    const wrong: [AuditOptions, Record<string, string>][] = [
      [{ databaseUrl: [secret] as never }, {}],
      [{ databaseUrl: { password: secret } as never }, {}],
      [{ databaseUrl: `postgres://u:${secret}@h/db`, batchRows: -1 }, {}],
      [{}, { DATABASE_URL: `postgres://u:${secret}@h/db`, NOETL_SECRET_AUDIT_BATCH_ROWS: 'x' }],
      [{}, { NOETL_SECRET_AUDIT_DATABASE_URI: `postgres://u:${secret}@h/db` }],
    ]
    for (const [options, environment] of wrong) {
      const error = thrownBy(() => resolveOptions(options, environment))
      expect(inspect(error, { depth: 10 })).not.toContain(secret)
    }
  })
})

describe('a database URL', () => {
  it.each(NO_DATABASES)('%s is refused by every name it has, with the form wanted', (url) => {
    const form = 'postgres://user:password@host:5432/database'
    for (const variable of OPTIONS.databaseUrl.variables) {
      expect(() => resolveOptions({}, { [variable]: url })).toThrow(invalid(variable, form))
    }
    for (const variable of READ_OPTIONS.readerUrl.variables) {
      expect(() => resolveReadOptions({}, { [variable]: url })).toThrow(invalid(variable, form))
    }
    expect(() => given('databaseUrl', url)).toThrow(invalid('databaseUrl', '--database-url'))
    expect(() => resolveReadOptions({ readerUrl: url }, {})).toThrow(invalid('readerUrl', '--reader-url'))
  })

  it('that cannot be parsed is told about percent-encoding', () => {
    for (const url of NO_DATABASES.slice(-4)) {
      expect(() => given('databaseUrl', url)).toThrow(invalid('databaseUrl', 'percent-encoding (@ is %40'))
    }
  })

  it('of another product may be in the environment where a sink is given', () => {
    const env = { DATABASE_URL: 'mysql://u:p@h/db' }
    expect(resolveOptions({ sink: new NoopAuditSink() }, env).databaseUrl).toBeUndefined()
  })

  it.each([
    ['postgres://u:canary@h:5432/db?sslpassword=canary', 'postgres://u:***@h:5432/db'],
    ['postgres://u:p@canary#1@h:5432/db', 'postgres://u:***@h:5432/db'],
    ['postgres://u:canary/canary?canary@h/db', 'postgres://u:***@h/db'],
    ['postgres://u:canary:canary@h/db', 'postgres://u:***@h/db'],
    ['mysql://u:canary@h/db', 'mysql://u:***@h/db'],
    ['postgres://u@h/db', 'postgres://u@h/db'],
    ['postgres:///db?host=/tmp', 'postgres:///db'],
    ['postgres://u:canary', 'postgres://***'],
    ['canary', '***'],
  ])('%s is shown without its password', (url, shown) => {
    expect(maskedDatabaseUrl(url)).toBe(shown)
  })
})

describe('the settings', () => {
  it('cannot be changed', () => {
    expect(Object.isFrozen(resolveOptions({}, {}))).toBe(true)
    expect(Object.isFrozen(OPTIONS)).toBe(true)
  })

  it('are those that createAudit works with', () => {
    vi.stubEnv('NOETL_SECRET_AUDIT_LINGER_MS', '7')
    onTestFinished(() => void vi.unstubAllEnvs())
    const { settings } = createAudit({ sink: new NoopAuditSink(), batchRows: 3 })
    expect(settings).toMatchObject({ lingerMs: 7, batchRows: 3, queueRows: OPTIONS.queueRows.default })
  })
})

describe('createAudit, before it is used', () => {
  it('reads no environment, starts no timer and asks nothing of its sink', () => {
    const real = process.env
    const read = vi.fn()
    process.env = new Proxy(real, { get: read, has: read, ownKeys: read, getOwnPropertyDescriptor: read })
    const names = ['setTimeout', 'setInterval', 'setImmediate'] as const
    const timers = names.flatMap((name) => [vi.spyOn(globalThis, name), vi.spyOn(taken, name)])
    onTestFinished(() => {
      process.env = real
      for (const timer of timers) timer.mockRestore()
    })
    const sink = new Proxy(new RecordingAuditSink(), {
      get: (_, name) => (name === 'write' ? () => undefined : read(name)),
    })
    const handles = process.getActiveResourcesInfo()
    createAudit({ sink, strict: () => true, spoolDirectory: '/nonexistent' })
    createAudit({ databaseUrl: 'postgres://nobody@192.0.2.1/db' })
    createAudit()
    void new SecretAuditService()
    expect(process.getActiveResourcesInfo()).toEqual(handles)
    expect(read).not.toHaveBeenCalled()
    for (const timer of timers) expect(timer).not.toHaveBeenCalled()
  })
})

describe('docs/options.md', () => {
  it('is made from the table', async () => {
    await expect(
      optionsPage(
        OPTIONS,
        READ_OPTIONS,
        GATEWAY_OPTIONS,
        RETENTION_OPTIONS,
        VERIFY_OPTIONS,
        OBJECT_STORAGE_OPTIONS,
      ),
    ).toMatchFileSnapshot('../../docs/options.md')
  })
})

function thrownBy(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    expect(error).toBeInstanceOf(AuditError)
    return error
  }
  throw new Error('nothing was thrown')
}
