import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  AuditError,
  type AuditLogger,
  AuditSampler,
  AuditSpanProcessor,
  createAudit,
  DurableAuditExporter,
  MemorySpool,
  NoopAuditSink,
  PostgresAuditSink,
  RecordingAuditSink,
  SecretAuditService,
  SnowflakeGenerator,
} from 'otel-audit'
import { generateNoteKey, NoteSigner, VerifierKey } from 'otel-audit/chain'
import { SecretInstrumentation } from 'otel-audit/instrumentation'
import { ComputedEvidence, Trail } from 'otel-audit/query'
import { bearerToken, createTrailApp, oidc, oidcSignIn, Problem, serveTrail } from 'otel-audit/server'
import { afterEach, describe, expect, it } from 'vitest'
import { Ticket } from '../../src/contract/ticket.js'
import { useLogger } from '../../src/host/diagnostics.js'
import { AuditMetrics } from '../../src/otel/metrics.js'
import { OPTIONS } from '../../src/options/options.js'
import { SpoolRefusal } from '../../src/spool/spool.js'

// `undefined` that is given explicitly is the default, and what is out of bounds is refused when the object is made: for
// everything public that takes options.

const REPORT = readFileSync(join(import.meta.dirname, '../../api/public-api.md'), 'utf8')
const NOT_ORDINARY: readonly unknown[] = [
  null,
  Number.NaN,
  -1,
  '',
  'x',
  {},
  [],
  Number.POSITIVE_INFINITY,
  1.5,
  true,
  1e20,
]
const URL = 'postgres://u:p@127.0.0.1:1/d'
const sampler = { shouldSample: () => ({ decision: 0 }), toString: () => 's' }
const opened: { close(): unknown }[] = []
const trailOf = (): Trail => new Trail({ databaseUrl: URL })
const exporterOf = (): DurableAuditExporter => new DurableAuditExporter({ sink: new NoopAuditSink() })
const { signerKey, verifierKey } = generateNoteKey('k') as unknown as Record<string, string>

afterEach(async () => {
  for (const each of opened.splice(0)) await each.close()
})

interface Made {
  /** Makes one with these options, or arguments, besides what it cannot do without. */
  readonly make: (given: Readonly<Record<string, unknown>>) => unknown
  /** What may be left out. */
  readonly optional: readonly string[]
  /** For each option that has bounds or a kind, what it refuses besides what nothing accepts. */
  readonly refuses: Readonly<Record<string, readonly unknown[]>>
}

const numbers = [null, Number.NaN, '5', {}, true]
const texts = [null, '', 5, {}]

const AUDIT: Made = {
  make: (given) => createAudit({ sink: new NoopAuditSink(), ...given }).settings,
  optional: [...Object.keys(OPTIONS), 'logger'],
  refuses: Object.fromEntries(
    Object.entries(OPTIONS).map(([name, { kind }]) => [
      name,
      {
        integer: [...numbers, -1, 1.5, 1e20],
        switch: ['yes', 1, null],
        choice: ['x', 1, null],
        text: [5, null, ''],
        databaseUrl: ['x', 5, null],
      }[kind],
    ]),
  ),
}

const TABLE: Readonly<Record<string, Made>> = {
  Audit: AUDIT,
  AuditMetrics: {
    make: ({ gauges }) => new AuditMetrics(gauges as never),
    optional: ['gauges'],
    refuses: {},
  },
  AuditSampler: {
    make: ({ delegate = sampler }) => new AuditSampler(delegate as never),
    optional: [],
    refuses: { delegate: [null, {}, 'x'] },
  },
  AuditSpanProcessor: {
    make: ({ pipeline = exporterOf(), ...options }) => new AuditSpanProcessor(pipeline as never, options),
    optional: ['flushTimeoutMs'],
    refuses: { flushTimeoutMs: [...numbers, -1], pipeline: [null, {}, 'x'] },
  },
  ComputedEvidence: {
    make: (given) => new ComputedEvidence({ databaseUrl: URL, ...given }),
    optional: ['schema', 'trust'],
    refuses: { databaseUrl: [...texts, undefined], schema: ['', 'a b', 5] },
  },
  DurableAuditExporter: {
    make: (given) => new DurableAuditExporter({ sink: new NoopAuditSink(), ...given }),
    optional: [
      'identity',
      'context',
      'machineId',
      'lingerMs',
      'batchRows',
      'batchBytes',
      'queueRows',
      'queueBytes',
    ],
    refuses: {
      sink: [null, undefined, {}, 'x'],
      machineId: [Number.NaN, '5', -1, 1024, 1.5],
      ...Object.fromEntries(
        ['lingerMs', 'batchRows', 'batchBytes', 'queueRows', 'queueBytes'].map((name) => [
          name,
          [Number.NaN, '5', {}, -1, 1.5, 1e20],
        ]),
      ),
    },
  },
  MemorySpool: {
    make: ({ maxBytes }) => new MemorySpool(maxBytes as number),
    optional: ['maxBytes'],
    refuses: { maxBytes: [...numbers, -1, 0, 1.5] },
  },
  NoopAuditSink: { make: () => new NoopAuditSink(), optional: [], refuses: {} },
  PostgresAuditSink: {
    make: (given) => new PostgresAuditSink({ databaseUrl: URL, ...given }),
    optional: [
      'schema',
      'synchronousCommit',
      'answerTimeoutMs',
      'applicationName',
      'origin',
      'enrolmentKey',
      'enrolmentKeyFile',
      'idleAfterMs',
    ],
    refuses: {
      databaseUrl: [...texts, undefined],
      synchronousCommit: ['off', 'local', 5],
      answerTimeoutMs: [Number.NaN, '5', -1, 0, 1e20],
      idleAfterMs: [Number.NaN, '5', -1, 0, 1e20],
      applicationName: ['', 5],
      schema: ['', 'a b', 5],
    },
  },
  RecordingAuditSink: {
    make: ({ script }) => new RecordingAuditSink(script as never),
    optional: ['script'],
    refuses: { script: [null, 'x', {}] },
  },
  SecretAuditService: {
    make: (given) => new SecretAuditService(given),
    optional: ['pipeline', 'strict', 'deadlineMs'],
    refuses: {
      pipeline: [null, {}, 'x'],
      strict: [null, 'yes', 1],
      deadlineMs: [...numbers, -1, 0, Number.POSITIVE_INFINITY, 600_001],
    },
  },
  SecretInstrumentation: {
    make: (given) => new SecretInstrumentation({ enabled: false, ...given }),
    optional: ['audit'],
    refuses: { audit: [null, {}, 'x', 5] },
  },
  SnowflakeGenerator: {
    make: ({ machineId = 1, random }) => new SnowflakeGenerator(machineId as number, { random } as never),
    optional: ['random'],
    refuses: { machineId: [...numbers, -1, 1024, 1.5] },
  },
  Ticket: {
    make: ({ mode = 'strict', deadlineMs = 5 }) => new Ticket(mode as never, deadlineMs as number, 0),
    optional: [],
    refuses: { mode: [null, 'x', 1], deadlineMs: [...numbers, -1, 1e20, Number.POSITIVE_INFINITY] },
  },
  Trail: {
    make: (given) => new Trail({ databaseUrl: URL, ...given }),
    optional: ['schema', 'timeoutMs', 'connections', 'cursorKey', 'applicationName'],
    refuses: {
      databaseUrl: [...texts, undefined],
      timeoutMs: [Number.NaN, '5', -1, 0, 1e20],
      connections: [Number.NaN, '5', -1, 0, 1.5],
      cursorKey: ['', 5, null],
      applicationName: ['', 5],
      schema: ['', 'a b', 5],
    },
  },
  serveTrail: {
    make: async (given) => {
      const server = await serveTrail({ trail: trailOf(), port: 0, ...given } as never)
      opened.push(server)
    },
    optional: ['host', 'authenticator', 'audit', 'evidence', 'trust', 'exposition', 'traceUrl', 'corsOrigin'],
    refuses: { host: texts, port: [Number.NaN, '5', -1, 65_536, 1.5] },
  },
  createTrailApp: {
    make: (given) => createTrailApp({ trail: trailOf(), ...given } as never),
    optional: ['authenticator', 'audit', 'evidence', 'trust', 'exposition', 'corsOrigin'],
    refuses: {},
  },
  oidc: {
    make: (given) => oidc({ issuer: 'https://i', audience: 'a', role: 'r', roleClaim: 'c', ...given }),
    optional: [],
    refuses: {
      audience: [...texts, undefined],
      role: [...texts, undefined],
      roleClaim: [...texts, undefined],
    },
  },
  oidcSignIn: {
    make: (given) =>
      oidcSignIn({
        issuer: 'https://issuer.example',
        clientId: 'c',
        redirectUrl: 'https://audit.example/auth/callback',
        role: 'r',
        roleClaim: 'roles',
        ...given,
      }),
    optional: ['clientSecretFile', 'scope', 'readerClaim', 'sessionMinutes'],
    refuses: {
      issuer: [...texts, undefined, 'http://issuer.example'],
      clientId: [...texts, undefined],
      clientSecretFile: [...texts, 'missing'],
      redirectUrl: [...texts, undefined, 'x', 'http://audit.example/auth/callback'],
      scope: texts,
      role: [...texts, undefined],
      roleClaim: [...texts, undefined],
      readerClaim: texts,
      sessionMinutes: [...numbers, -1, 0, 1.5, 1e20],
    },
  },
}

/** They take no options: texts of their own, what is thrown, or what only a function in the table makes. */
const WITHOUT_OPTIONS: Readonly<Record<string, unknown>> = {
  AuditError,
  Problem,
  SpoolRefusal,
  NoteSigner,
  VerifierKey,
  SignIn: oidcSignIn,
}

it('the table has every public class', () => {
  const classes = [...REPORT.matchAll(/^declare class (\w+)/gm)].map(([, name]) => name)
  expect(classes.length).toBeGreaterThan(15)
  expect(classes.filter((name = '') => !(name in TABLE) && !(name in WITHOUT_OPTIONS))).toEqual([])
  expect([signerKey, verifierKey, bearerToken('0'.repeat(32))]).toBeDefined()
})

describe.each(Object.entries(TABLE))('%s', (_, { make, optional, refuses }) => {
  it('takes undefined for what may be left out', async () => {
    await make({})
    for (const name of optional) await make({ [name]: undefined })
    await make(Object.fromEntries(optional.map((name) => [name, undefined])))
  })

  const cases = Object.entries(refuses).flatMap(([name, values]) =>
    values.map((value) => [name, value] as const),
  )
  it.each(cases)('refuses %s: %s', async (name, value) => {
    const made = (async () => make({ [name]: value }))()
    const error: unknown = await made.then(
      () => 'accepted',
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(AuditError)
    expect((error as AuditError).code).toMatch(/^AUDIT_(INVALID_OPTION|SDK_CONFIG)$/)
  })
})

describe('the logger of an application', () => {
  it('hears of what happens to records, in place of every other', async () => {
    const heard: string[] = []
    const logger: AuditLogger = { error: (text) => heard.push(text), warn: (text) => heard.push(text) }
    const audit = createAudit({ sink: new NoopAuditSink(), logger, serviceName: undefined })
    await audit.start()
    await audit.close()
    audit.service.recordAsync({ credential: 'c', operation: 'get_credential', outcome: 'ok' })
    useLogger(undefined)
    expect(heard.some((text) => text.includes('the service has no name'))).toBe(true)
    expect(heard.some((text) => text.includes('dropped') && text.includes('closed'))).toBe(true)
  })

  it.each([null, 'x', {}, { error() {} }, console.log])('has the methods error and warn: %s', (logger) => {
    expect(() => createAudit({ sink: new NoopAuditSink(), logger: logger as never })).toThrow('logger')
  })
})

describe('a record', () => {
  const ACCESS = { credential: 'c', operation: 'get_credential', outcome: 'ok' } as const

  it.each(['mode', 'deadlineMs', 'signal', 'outcomeOf'])('takes undefined for %s', async (name) => {
    const service = SecretAuditService.noop()
    const { outcome: _, ...fields } = ACCESS
    expect(await service.guard(fields, () => 5, { [name]: undefined })).toBe(5)
    expect(await service.record(ACCESS, { [name]: undefined })).toBeUndefined()
  })

  it.each(['mode', 'deadlineMs', 'signal', 'outcomeOf'])('refuses another %s', async (name) => {
    const service = SecretAuditService.noop()
    for (const value of NOT_ORDINARY) {
      if (name === 'deadlineMs' && (value === 1.5 || value === true)) continue
      const { outcome: _, ...fields } = ACCESS
      const work = service.guard(fields, () => 5, { [name]: value })
      await expect(work, String(value)).rejects.toMatchObject({ code: 'AUDIT_INVALID_OPTION' })
    }
  })
})

describe('closing', () => {
  it('takes undefined for its time, and refuses another', async () => {
    const audit = createAudit({ sink: new NoopAuditSink() })
    for (const timeoutMs of ['5', Number.NaN, -1]) {
      await expect(audit.close({ timeoutMs } as never)).rejects.toMatchObject({
        code: 'AUDIT_INVALID_OPTION',
      })
    }
    await audit.close({ timeoutMs: undefined })
    const exporter = exporterOf()
    for (const ms of [undefined, '5', Number.NaN, -1, null]) {
      await expect(exporter.close(ms as never)).rejects.toMatchObject({ code: 'AUDIT_INVALID_OPTION' })
    }
    await exporter.close(10)
  })

  it('a spool has a mode', async () => {
    const exporter = exporterOf()
    expect(() => exporter.attachSpool(new MemorySpool(1024), 'x' as never)).toThrow('mode')
    exporter.attachSpool(new MemorySpool(1024), undefined)
    await exporter.close(10)
  })
})
