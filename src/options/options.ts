import { MACHINE_ID_MAX } from '../event/snowflake.js'
import { BOUNDS } from '../exporter/bounds.js'
import type { SecondChainMode } from '../exporter/share.js'
import type { SpoolMode } from '../exporter/spooler.js'
import type { OptionSpec } from './option-spec.js'
import { DEFAULT_FLUSH_TIMEOUT_MS } from '../otel/processor.js'
import { DEFAULT_DEADLINE_MS, type DeadlinePolicy, LONGEST_DEADLINE_MS } from '../service/deadline.js'
import { REQUIRED_VARIABLE, type StrictPolicy } from '../service/mode.js'
import type { AuditSink } from '../contract/sink.js'
import type { AuditLogger } from '../host/diagnostics.js'
import { DEFAULT_SCHEMA } from '../postgres/schema-name.js'
import type { OtlpSerializer } from '../otel/sdk/env.js'
import type { DatabaseUrl } from '../postgres/database-url.js'
import { DEFAULT_ANSWER_TIMEOUT_MS } from '../postgres/write/sink.js'

const MINUTE_MS = 60_000

/** Every option of recording. Code, environment, command line and `docs/options.md` all come from here. */
export const OPTIONS = Object.freeze({
  databaseUrl: {
    kind: 'databaseUrl',
    secret: true,
    variables: ['NOETL_SECRET_AUDIT_DATABASE_URL', 'DATABASE_URL'],
    default: undefined,
    doc: 'Where the trail is: `postgres://user:password@host:port/database`, as a login with the writer role. In code also a function that gives it, called at each connect.',
  },
  databaseUrlFile: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_DATABASE_URL_FILE', 'DATABASE_URL_FILE'],
    default: undefined,
    doc: 'File with that URL, when `databaseUrl` is not given. It is read at each connect, so that a password may be rotated.',
  },
  passwordFile: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_PASSWORD_FILE'],
    default: undefined,
    doc: 'File with the password of the login, in place of that of the URL. It is read at each connect.',
  },
  schema: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_SCHEMA'],
    default: DEFAULT_SCHEMA,
    doc: 'Schema of the tables.',
  },
  trail: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_TRAIL'],
    default: undefined,
    doc: 'Identity of the trail, 32 hex digits, as `otel-audit doctor` and the line `trail` of a trust file have it. A database with another one (a clone, staging, a wrong URL) is refused at every connect. Default: the one that the process finds first.',
  },
  strict: {
    kind: 'switch',
    variables: [REQUIRED_VARIABLE],
    default: false,
    doc: 'Release a secret only after its row is committed. In code also a function of credential and operation.',
  },
  strictExcept: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_STRICT_EXCEPT'],
    default: undefined,
    doc: 'Credentials that are never strict, separated by commas, with `*` for any text: those that a service needs before its trail can be reached.',
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
  outageDeadlineMs: {
    kind: 'integer',
    min: 10,
    max: LONGEST_DEADLINE_MS,
    unit: 'ms',
    variables: ['NOETL_SECRET_AUDIT_OUTAGE_DEADLINE_MS'],
    default: undefined,
    doc: 'How long a strict caller waits at most while the last write has failed, so that an outage does not hold every request for `deadlineMs`. Default: as long as ever.',
  },
  answerTimeoutMs: {
    kind: 'integer',
    min: 10,
    max: 10 * MINUTE_MS,
    unit: 'ms',
    variables: ['NOETL_SECRET_AUDIT_ANSWER_TIMEOUT_MS'],
    default: DEFAULT_ANSWER_TIMEOUT_MS,
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
    ...BOUNDS.lingerMs,
    variables: ['NOETL_SECRET_AUDIT_LINGER_MS'],
    doc: 'How long an async event may wait for others to share its transaction. A strict event never waits for that.',
  },
  batchRows: {
    kind: 'integer',
    ...BOUNDS.batchRows,
    variables: ['NOETL_SECRET_AUDIT_BATCH_ROWS'],
    doc: 'Most rows of one transaction.',
  },
  batchBytes: {
    kind: 'integer',
    ...BOUNDS.batchBytes,
    variables: ['NOETL_SECRET_AUDIT_BATCH_BYTES'],
    doc: 'Most bytes of one transaction.',
  },
  queueRows: {
    kind: 'integer',
    ...BOUNDS.queueRows,
    variables: ['NOETL_SECRET_AUDIT_QUEUE_ROWS'],
    doc: 'Most events held in memory, waiting and in flight. Beyond it strict callers are refused and async events dropped.',
  },
  queueBytes: {
    kind: 'integer',
    ...BOUNDS.queueBytes,
    variables: ['NOETL_SECRET_AUDIT_QUEUE_BYTES'],
    doc: 'Most bytes of events held in memory.',
  },
  spoolDirectory: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_SPOOL_DIR'],
    default: undefined,
    doc: 'Directory of the spool, on a local disk. Without it there is no spool. It needs `lmdb`, and the same protection as the database.',
  },
  spoolMode: {
    kind: 'choice',
    choices: ['overflow', 'always'],
    variables: ['NOETL_SECRET_AUDIT_SPOOL_MODE'],
    default: 'overflow',
    doc: '`overflow`: events go to disk when Postgres is slow or down, and at shutdown. `always`: every async event is on disk before it counts as accepted.',
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
  secondChain: {
    kind: 'choice',
    choices: ['under-load', 'always', 'never'],
    variables: ['NOETL_SECRET_AUDIT_SECOND_CHAIN'],
    default: 'under-load',
    doc: '`under-load`: when many strict callers wait, or whole batches of async events as when a spool is brought back, a second connection writes beside the first, on a chain of its own; after a minute without work it is closed. `always`: whenever two events wait, to try it. `never`: one connection.',
  },
  origin: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_ORIGIN'],
    default: undefined,
    doc: 'Name of the log that the signed blocks belong to: no spaces, no plus sign. Default: `otel-audit/` and the name of the database.',
  },
  enrolmentKey: {
    kind: 'text',
    secret: true,
    variables: ['NOETL_SECRET_AUDIT_ENROLMENT_KEY'],
    default: undefined,
    doc: "Private key that signs the first block of each chain as the operator's: Ed25519, PKCS#8 in PEM. `otel-audit keys create` makes one.",
  },
  enrolmentKeyFile: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_ENROLMENT_KEY_FILE'],
    default: undefined,
    doc: 'File with the enrolment key, when `enrolmentKey` is not given.',
  },
  synchronousCommit: {
    kind: 'choice',
    choices: ['on', 'remote_apply'],
    variables: ['NOETL_SECRET_AUDIT_SYNCHRONOUS_COMMIT'],
    default: 'on',
    doc: '`synchronous_commit` of the writing session. `remote_apply` waits until a synchronous standby has applied the row.',
  },
  allowInStore: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_ALLOW_IN_STORE'],
    default: undefined,
    doc: 'What others have attached to the tables and is meant to be there: lines that `otel-audit doctor` prints, separated by line ends or semicolons.',
  },
  autoMigrate: {
    kind: 'switch',
    variables: ['NOETL_SECRET_AUDIT_AUTO_MIGRATE'],
    default: false,
    doc: 'Make or update the tables at start. For development; refused when `NODE_ENV` is `production`.',
  },
  instrument: {
    kind: 'choice',
    choices: ['on', 'off', 'required'],
    variables: ['NOETL_SECRET_AUDIT_INSTRUMENT'],
    default: 'off',
    doc: 'Whether the secret clients of the process are audited without a change of the application. Under `register` the default is `on`. `required`: what is not covered is refused.',
  },
  instrumentDisable: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_INSTRUMENT_DISABLE'],
    default: undefined,
    doc: 'Hooks and layers that are off, separated by commas: names of the hooks (`aws-kms`), or `wire`.',
  },
  instrumentHosts: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_HOSTS'],
    default: undefined,
    doc: 'Hosts of secret managers that cannot be told by themselves, separated by commas: `vault=bao.internal:8200,azure=kv.internal`. Those of `VAULT_ADDR`, `BAO_ADDR`, `VAULT_AGENT_ADDR` and `VAULT_PROXY_ADDR` are known.',
  },
  instrumentActor: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_ACTOR'],
    default: undefined,
    doc: 'Entry of the baggage that goes into the attribute `claimed_actor`: anybody may send baggage, so it is never `actor_id`. In code also a function, whose answer is `actor_id`.',
  },
  instrumentSsm: {
    kind: 'choice',
    choices: ['secure', 'all'],
    variables: ['NOETL_SECRET_AUDIT_INSTRUMENT_SSM'],
    default: 'secure',
    doc: 'Parameters of the AWS parameter store that are recorded: those of the type `SecureString`, or all.',
  },
  instrumentWrites: {
    kind: 'switch',
    variables: ['NOETL_SECRET_AUDIT_INSTRUMENT_WRITES'],
    default: false,
    doc: 'Whether it is recorded when a secret is put, changed, rotated, restored or deleted (`write_credential`).',
  },
  instrumentIdentity: {
    kind: 'switch',
    variables: ['NOETL_SECRET_AUDIT_INSTRUMENT_IDENTITY'],
    default: false,
    doc: 'Whether it is recorded when a workload takes on an identity (`assume_identity`): STS, and the credentials of Google and Azure.',
  },
  instrumentFiles: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_FILES'],
    default: undefined,
    doc: 'Files that hold secrets, and whose opening is recorded: absolute paths of directories or files, separated by commas. `on` stands for `/run/secrets/`, `/var/run/secrets/`, `/vault/secrets/` and `/mnt/secrets-store/`, without the token of a Kubernetes service account.',
  },
  instrumentEnv: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_ENV'],
    default: undefined,
    doc: 'Names of variables that hold secrets, separated by commas: each makes one row when the pipeline starts. Values are not looked at.',
  },
  writerThread: {
    kind: 'switch',
    variables: ['NOETL_SECRET_AUDIT_WRITER_THREAD'],
    default: false,
    doc: 'Encode, sign and send batches in a thread of their own. For services with four cores or more whose own thread is busy: a single caller waits about 0.1 ms longer.',
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
  otlpSerializer: {
    kind: 'choice',
    choices: ['stock', 'own'],
    variables: ['NOETL_SECRET_AUDIT_OTLP_SERIALIZER'],
    default: 'stock',
    doc: 'Who turns spans into bytes where `withSdk` or `register` builds the OTLP exporter (`http/protobuf`) from the environment: the SDK, or this library, with the same bytes in 0.4 of the time.',
  },
  serviceInstanceId: {
    kind: 'text',
    variables: [],
    default: undefined,
    doc: '`service_instance_id` of the rows. Default: `service.instance.id` of `OTEL_RESOURCE_ATTRIBUTES`, else a UUID made once per process.',
  },
  auditLogDraft: {
    kind: 'switch',
    variables: ['NOETL_SECRET_AUDIT_AUDIT_LOG_DRAFT'],
    default: false,
    doc: 'Put each record on its span event also in the terms of the draft OpenTelemetry audit-log conventions (`audit.actor.id`, `audit.action`, `audit.outcome`, …). Costs about 5 µs a record in what exports the trace.',
  },
} satisfies Record<string, OptionSpec>)

export type OptionName = keyof typeof OPTIONS

/** Options of `createAudit`. What is left out comes from the environment, then from the defaults of {@link OPTIONS}. */
export interface AuditOptions {
  readonly databaseUrl?: DatabaseUrl | undefined
  readonly databaseUrlFile?: string | undefined
  readonly passwordFile?: string | undefined
  readonly schema?: string | undefined
  readonly trail?: string | undefined
  readonly strict?: boolean | StrictPolicy | undefined
  readonly strictExcept?: string | undefined
  readonly deadlineMs?: DeadlinePolicy | undefined
  readonly outageDeadlineMs?: number | undefined
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
  readonly secondChain?: SecondChainMode | undefined
  readonly origin?: string | undefined
  readonly enrolmentKey?: string | undefined
  readonly enrolmentKeyFile?: string | undefined
  readonly synchronousCommit?: 'on' | 'remote_apply' | undefined
  readonly allowInStore?: string | undefined
  readonly autoMigrate?: boolean | undefined
  readonly instrument?: 'on' | 'off' | 'required' | undefined
  readonly instrumentDisable?: string | undefined
  readonly instrumentHosts?: string | undefined
  readonly instrumentActor?: string | (() => string | undefined) | undefined
  readonly instrumentSsm?: 'secure' | 'all' | undefined
  readonly instrumentWrites?: boolean | undefined
  readonly instrumentIdentity?: boolean | undefined
  readonly instrumentFiles?: string | undefined
  readonly instrumentEnv?: string | undefined
  readonly writerThread?: boolean | undefined
  readonly machineId?: number | undefined
  readonly serviceName?: string | undefined
  readonly serviceInstanceId?: string | undefined
  readonly auditLogDraft?: boolean | undefined
  readonly otlpSerializer?: OtlpSerializer | undefined
  /** Where rows go, in place of `databaseUrl`: `RecordingAuditSink` in tests, `NoopAuditSink` where audit is off. */
  readonly sink?: AuditSink | undefined
  /**
   * Where losses, outages, recoveries and findings of the self-test are said, for all pipelines of the process. Default: the
   * diagnostics logger of OpenTelemetry; where nobody has set one, stderr.
   */
  readonly logger?: AuditLogger | undefined
}

/** Options that have no default. */
type Optional =
  | 'databaseUrl'
  | 'databaseUrlFile'
  | 'passwordFile'
  | 'trail'
  | 'spoolDirectory'
  | 'allowInStore'
  | 'strictExcept'
  | 'instrumentDisable'
  | 'instrumentHosts'
  | 'instrumentActor'
  | 'instrumentFiles'
  | 'instrumentEnv'
  | 'machineId'
  | 'outageDeadlineMs'
  | 'serviceName'
  | 'serviceInstanceId'

/** All options, parsed and checked. */
export type AuditSettings = Readonly<
  Required<{ [Name in Exclude<OptionName, Optional>]: NonNullable<AuditOptions[Name]> }>
> &
  Pick<AuditOptions, Optional>
