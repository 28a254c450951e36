import { AuditError, nearest } from './errors.js'
import { MACHINE_ID_MAX } from './event/snowflake.js'
import { EXPORTER_DEFAULTS } from './exporter/exporter.js'
import type { SpoolMode } from './exporter/spooler.js'
import { DEFAULT_FLUSH_TIMEOUT_MS } from './otel/processor.js'
import { DEFAULT_DEADLINE_MS, type DeadlinePolicy, LONGEST_DEADLINE_MS } from './service/deadline.js'
import { parseSwitch, REQUIRED_VARIABLE, type StrictPolicy } from './service/mode.js'
import type { AuditSink } from './sink/sink.js'

type Kind =
  | { readonly kind: 'text'; readonly secret?: true }
  | { readonly kind: 'switch' }
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  | { readonly kind: 'integer'; readonly min: number; readonly max: number; readonly unit: string }

export type OptionSpec = Kind & {
  /** Environment variables in order of precedence. */
  readonly variables: readonly string[]
  readonly default: string | number | boolean | undefined
  readonly doc: string
}

const MINUTE_MS = 60_000

/** Every option there is. Code, environment, command line and `docs/options.md` all come from here. */
export const OPTIONS = Object.freeze({
  databaseUrl: {
    kind: 'text',
    secret: true,
    variables: ['NOETL_SECRET_AUDIT_DATABASE_URL', 'DATABASE_URL'],
    default: undefined,
    doc: 'Where the trail is: `postgres://user:password@host:port/database`, as a login with the writer role.',
  },
  schema: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_SCHEMA'],
    default: 'noetl',
    doc: 'Schema of the tables.',
  },
  strict: {
    kind: 'switch',
    variables: [REQUIRED_VARIABLE],
    default: false,
    doc: 'Release a secret only after its row is committed. In code also a function of credential and operation.',
  },
  deadlineMs: {
    kind: 'integer',
    min: 10,
    max: LONGEST_DEADLINE_MS,
    unit: 'ms',
    variables: ['NOETL_SECRET_AUDIT_DEADLINE_MS'],
    default: DEFAULT_DEADLINE_MS,
    doc: 'How long a strict caller waits for the commit. In code also a function of credential and operation.',
  },
  answerTimeoutMs: {
    kind: 'integer',
    min: 10,
    max: 10 * MINUTE_MS,
    unit: 'ms',
    variables: ['NOETL_SECRET_AUDIT_ANSWER_TIMEOUT_MS'],
    default: 5000,
    doc: 'How long the database may take to answer before its connection is given up. `statement_timeout` is four fifths of it.',
  },
  closeTimeoutMs: {
    kind: 'integer',
    min: 0,
    max: 10 * MINUTE_MS,
    unit: 'ms',
    variables: ['NOETL_SECRET_AUDIT_CLOSE_TIMEOUT_MS'],
    default: DEFAULT_FLUSH_TIMEOUT_MS,
    doc: 'How long closing, and a flush asked for by the SDK, may take.',
  },
  lingerMs: {
    kind: 'integer',
    min: 0,
    max: MINUTE_MS,
    unit: 'ms',
    variables: ['NOETL_SECRET_AUDIT_LINGER_MS'],
    default: EXPORTER_DEFAULTS.lingerMs,
    doc: 'How long an async event may wait for company. A strict event never lingers.',
  },
  batchRows: {
    kind: 'integer',
    min: 1,
    max: 10_000,
    unit: 'rows',
    variables: ['NOETL_SECRET_AUDIT_BATCH_ROWS'],
    default: EXPORTER_DEFAULTS.batchRows,
    doc: 'Most rows of one transaction.',
  },
  batchBytes: {
    kind: 'integer',
    min: 1024,
    max: 64 * 1024 * 1024,
    unit: 'bytes',
    variables: ['NOETL_SECRET_AUDIT_BATCH_BYTES'],
    default: EXPORTER_DEFAULTS.batchBytes,
    doc: 'Most bytes of one transaction.',
  },
  queueRows: {
    kind: 'integer',
    min: 1,
    max: 10_000_000,
    unit: 'events',
    variables: ['NOETL_SECRET_AUDIT_QUEUE_ROWS'],
    default: EXPORTER_DEFAULTS.queueRows,
    doc: 'Most events held in memory, waiting and in flight. Beyond it strict callers are refused and async events dropped.',
  },
  queueBytes: {
    kind: 'integer',
    min: 64 * 1024,
    max: 16 * 1024 * 1024 * 1024,
    unit: 'bytes',
    variables: ['NOETL_SECRET_AUDIT_QUEUE_BYTES'],
    default: EXPORTER_DEFAULTS.queueBytes,
    doc: 'Most bytes of events held in memory.',
  },
  spoolDirectory: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_SPOOL_DIR'],
    default: undefined,
    doc: 'Directory of the spool, on a local disk. Without it there is none. It needs `lmdb`, and the protection of the database.',
  },
  spoolMode: {
    kind: 'choice',
    choices: ['overflow', 'always'],
    variables: ['NOETL_SECRET_AUDIT_SPOOL_MODE'],
    default: 'overflow',
    doc: '`overflow`: events go to disk when Postgres is behind or away, and at the end. `always`: every async event is on disk before it counts as accepted.',
  },
  spoolBytes: {
    kind: 'integer',
    min: 64 * 1024,
    max: 1024 ** 4,
    unit: 'bytes',
    variables: ['NOETL_SECRET_AUDIT_SPOOL_BYTES'],
    default: 1024 ** 3,
    doc: 'Most bytes of events in the spool, quarantined ones included. Beyond it async events are dropped once the queue is full.',
  },
  synchronousCommit: {
    kind: 'choice',
    choices: ['on', 'remote_apply'],
    variables: ['NOETL_SECRET_AUDIT_SYNCHRONOUS_COMMIT'],
    default: 'on',
    doc: '`synchronous_commit` of the writing session. `remote_apply` waits until a synchronous standby has applied the row.',
  },
  autoMigrate: {
    kind: 'switch',
    variables: ['NOETL_SECRET_AUDIT_AUTO_MIGRATE'],
    default: false,
    doc: 'Make or update the tables at start. For development; refused when `NODE_ENV` is `production`.',
  },
  machineId: {
    kind: 'integer',
    min: 0,
    max: MACHINE_ID_MAX,
    unit: '',
    variables: ['NOETL_SERVER_MACHINE_ID'],
    default: undefined,
    doc: 'Machine part of the ids. Default: from host, process, thread and random bytes.',
  },
  serviceName: {
    kind: 'text',
    variables: ['OTEL_SERVICE_NAME'],
    default: undefined,
    doc: '`service_name` of the rows. Default: `service.name` of `OTEL_RESOURCE_ATTRIBUTES`, else NULL.',
  },
  serviceInstanceId: {
    kind: 'text',
    variables: [],
    default: undefined,
    doc: '`service_instance_id` of the rows. Default: `service.instance.id` of `OTEL_RESOURCE_ATTRIBUTES`, else a UUID made once per process.',
  },
} satisfies Record<string, OptionSpec>)

export type OptionName = keyof typeof OPTIONS

/** Options of `createAudit`. What is left out comes from the environment, then from the defaults of {@link OPTIONS}. */
export interface AuditOptions {
  readonly databaseUrl?: string | undefined
  readonly schema?: string | undefined
  readonly strict?: boolean | StrictPolicy | undefined
  readonly deadlineMs?: DeadlinePolicy | undefined
  readonly answerTimeoutMs?: number | undefined
  readonly closeTimeoutMs?: number | undefined
  readonly lingerMs?: number | undefined
  readonly batchRows?: number | undefined
  readonly batchBytes?: number | undefined
  readonly queueRows?: number | undefined
  readonly queueBytes?: number | undefined
  readonly spoolDirectory?: string | undefined
  readonly spoolMode?: SpoolMode | undefined
  readonly spoolBytes?: number | undefined
  readonly synchronousCommit?: 'on' | 'remote_apply' | undefined
  readonly autoMigrate?: boolean | undefined
  readonly machineId?: number | undefined
  readonly serviceName?: string | undefined
  readonly serviceInstanceId?: string | undefined
  /** Where rows go, in place of `databaseUrl`: `RecordingAuditSink` in tests, `NoopAuditSink` where audit is off. */
  readonly sink?: AuditSink | undefined
}

/** Options that have no default. */
type Optional = 'databaseUrl' | 'spoolDirectory' | 'machineId' | 'serviceName' | 'serviceInstanceId'

/** All options, parsed and checked. */
export type AuditSettings = Readonly<
  Required<{ [Name in Exclude<OptionName, Optional>]: NonNullable<AuditOptions[Name]> }>
> &
  Pick<AuditOptions, Optional>

export type Environment = Readonly<Record<string, string | undefined>>

const VARIABLE_PREFIX = 'NOETL_SECRET_AUDIT_'

/**
 * Resolves options: what is given in code, else the environment, else the default.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION` for an unknown option or `NOETL_SECRET_AUDIT_*` variable (with the nearest
 *   known one), and for a value that cannot be understood or is out of bounds
 */
export function resolveOptions(given: AuditOptions, env: Environment): AuditSettings {
  checkOptions(given)
  checkVariables(env)
  const settings: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries<OptionSpec>(OPTIONS)) {
    settings[name] = given[name as OptionName] ?? fromEnvironment(spec, env) ?? spec.default
  }
  return Object.freeze(settings) as AuditSettings
}

/** Checks options given in code. @throws AuditError `AUDIT_INVALID_OPTION` */
export function checkOptions(given: AuditOptions): void {
  for (const [name, value] of Object.entries(given)) {
    if (name === 'sink' || value === undefined) continue
    const spec = (OPTIONS as Record<string, OptionSpec>)[name]
    if (spec === undefined) throw unknown('option', name, [...Object.keys(OPTIONS), 'sink'])
    const mayBePolicy = name === 'strict' || name === 'deadlineMs'
    if (!(mayBePolicy && typeof value === 'function')) checkValue(name, spec, value)
  }
}

function checkVariables(env: Environment): void {
  const known = new Set(Object.values<OptionSpec>(OPTIONS).flatMap(({ variables }) => variables))
  for (const variable of Object.keys(env)) {
    if (variable.startsWith(VARIABLE_PREFIX) && !known.has(variable))
      throw unknown('variable', variable, known)
  }
}

function fromEnvironment(spec: OptionSpec, env: Environment): unknown {
  for (const variable of spec.variables) {
    const text = env[variable]
    if (text === undefined || (text === '' && spec.kind !== 'switch')) continue
    if (spec.kind === 'switch') return parseSwitch(variable, text)
    const value = spec.kind === 'integer' && /^-?\d+$/.test(text.trim()) ? Number(text) : text
    checkValue(variable, spec, value)
    return value
  }
  return undefined
}

function checkValue(name: string, spec: OptionSpec, value: unknown): void {
  const wanted = accepts(spec, value)
  if (wanted === undefined) return
  const got =
    'secret' in spec ? `a ${typeof value}` : typeof value === 'string' ? JSON.stringify(value) : String(value)
  throw new AuditError('AUDIT_INVALID_OPTION', `${name} must be ${wanted}; got ${got}`, { field: name })
}

/** @returns what is wanted, when `value` is not that */
function accepts(spec: OptionSpec, value: unknown): string | undefined {
  switch (spec.kind) {
    case 'text':
      return typeof value === 'string' && value !== '' ? undefined : 'a text that is not empty'
    case 'switch':
      return typeof value === 'boolean' ? undefined : 'true or false'
    case 'choice':
      return spec.choices.includes(value as string) ? undefined : `one of ${spec.choices.join(', ')}`
    case 'integer': {
      const { min, max, unit } = spec
      const fits = Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      return fits ? undefined : `an integer from ${min} to ${max}${unit && ` (${unit})`}`
    }
  }
}

function unknown(what: string, name: string, known: Iterable<string>): AuditError {
  const hint = nearest(name, known)
  const suggestion = hint === undefined ? 'See docs/options.md' : `Did you mean ${hint}?`
  return new AuditError('AUDIT_INVALID_OPTION', `there is no ${what} ${name}. ${suggestion}`, { field: name })
}
