import { diag } from './diagnostics.js'
import { AuditError } from './errors.js'
import type { AuditAttributes } from './event/attributes.js'
import type { AuditFields } from './event/event.js'
import { Operation, Outcome } from './event/vocabulary.js'
import { type AuditStats, DurableAuditExporter } from './exporter/exporter.js'
import { TRAIL_CREDENTIAL } from './exporter/gap.js'
import type { SettledListener } from './exporter/settlement.js'
import type { AuditOptions, AuditSettings } from './options.js'
import { serviceIdentity } from './otel/identity.js'
import { AuditSpanProcessor } from './otel/processor.js'
import { checkTelemetry, type SelfTestReport } from './otel/self-test.js'
import { type SdkConfiguration, withAuditPipeline } from './otel/with-sdk.js'
import { checkOptions, resolveOptions } from './resolve-options.js'
import { deadlineBy } from './service/deadline.js'
import { isStrictBy, type StrictPolicy } from './service/mode.js'
import {
  type AuditPipeline,
  registerPipeline,
  takeUnclaimed,
  unregisterPipeline,
} from './service/pipeline.js'
import { SecretAuditService } from './service/service.js'
import { PostgresAuditSink } from './sink/postgres/sink.js'
import type { AuditSink, SinkFinding } from './sink/sink.js'
import { VERSION } from './version.js'

export interface CloseOptions {
  /** How long storing what waits may take, in ms. Default: the option `closeTimeoutMs`. */
  readonly timeoutMs?: number | undefined
}

/**
 * Puts an audit pipeline together. Nothing connects, reads the environment or starts a timer before it is used.
 *
 * ```ts
 * const audit = createAudit({ databaseUrl })
 * const sdk = new NodeSDK(audit.withSdk({}))
 * sdk.start()
 * await audit.start()
 * ```
 *
 * @throws AuditError `AUDIT_INVALID_OPTION`
 */
export function createAudit(options: AuditOptions = {}): Audit {
  return new Audit(options)
}

/** One audit pipeline: helper, span processor, exporter and sink. Made by {@link createAudit}. */
export class Audit {
  /** The helper. It may be used at once; what is recorded before {@link start} waits. */
  readonly service: SecretAuditService
  readonly #options: AuditOptions
  #parts: Parts | undefined
  #override: boolean | StrictPolicy | undefined
  #spoolFinding: SinkFinding | undefined
  #started = false

  /** @internal */
  constructor(options: AuditOptions) {
    checkOptions(options)
    this.#options = options
    this.service = new SecretAuditService({ pipeline: lazyPipeline(() => this.#assembled().exporter) })
  }

  /** The options as they were understood. The database URL has its password in it. */
  get settings(): AuditSettings {
    return this.#assembled().settings
  }

  /** For SDKs that {@link withSdk} does not know: add it to the span processors, and wrap the sampler in `AuditSampler`. */
  get processor(): AuditSpanProcessor {
    return this.#assembled().processor
  }

  /**
   * The configuration for `NodeSDK`: yours, in code or by environment, plus our processor and sampler.
   *
   * @throws AuditError `AUDIT_SDK_CONFIG` when `OTEL_CONFIG_FILE` would make the SDK ignore it,
   *   `AUDIT_MISSING_PACKAGE` without `@opentelemetry/sdk-node`
   */
  withSdk<Config extends object>(
    config: Config & SdkConfiguration & { readonly serviceName?: string | undefined },
  ) {
    const parts = this.#assembled()
    const { serviceName, serviceInstanceId } = parts.settings
    if (config.serviceName !== undefined && this.#options.serviceName === undefined) {
      const given = { serviceName: config.serviceName, serviceInstanceId }
      parts.exporter.identify(serviceIdentity(given, process.env))
    } else {
      parts.exporter.identify(serviceIdentity({ serviceName, serviceInstanceId }, process.env))
    }
    return withAuditPipeline<Config>(config, parts.processor, process.env)
  }

  /**
   * Connects, makes this the pipeline of the process, opens the spool, runs the self-test, and writes a lifecycle row.
   *
   * @returns what the self-test found
   * @throws AuditError in strict mode `AUDIT_SELF_TEST`, when records would not be durable; without strict mode such
   *   findings are said on the diagnostics logger, and records wait for the database
   */
  async start(): Promise<SelfTestReport> {
    const { settings, exporter } = this.#assembled()
    registerPipeline(exporter)
    for (const { operation, outcome, count } of takeUnclaimed()) {
      exporter.metrics.count('records.emitted', count)
      exporter.metrics.countWrite({ operation, outcome }, 'dropped_async', count)
    }
    if (settings.autoMigrate) await autoMigrate(settings)
    this.#spoolFinding = await openSpool(settings, exporter)
    const isStrict = this.#strict !== false
    // What is strict is not even sent before it is known to be durable.
    const report = isStrict ? await exporter.holdUntil(this.selfTest()) : await this.selfTest()
    for (const { level, check, message } of report.findings) {
      diag[level === 'error' ? 'error' : 'warn'](`otel-audit: self-test: ${check}: ${message}`)
    }
    if (!report.ok && isStrict) {
      const errors = report.findings.filter(({ level }) => level === 'error')
      throw new AuditError(
        'AUDIT_SELF_TEST',
        errors.map(({ check, message }) => `${check}: ${message}`).join('; '),
      )
    }
    this.#started = true
    exporter.recordOwn(lifecycle(Outcome.Started, { version: VERSION, mode: modeName(this.#strict) }))
    return report
  }

  /** Checks spool, tracer, meter and database. Never throws: what is wrong is a finding. */
  async selfTest(): Promise<SelfTestReport> {
    const { exporter, sink } = this.#assembled()
    exporter.metrics.refresh()
    const spool = this.#spoolFinding === undefined ? [] : [this.#spoolFinding]
    const findings = [...spool, ...checkTelemetry(exporter), ...(await checkSink(sink))]
    return { ok: findings.every(({ level }) => level !== 'error'), findings }
  }

  /** Changes which accesses are strict, from the next record on, and writes a lifecycle row that says so. */
  setStrict(strict: boolean | StrictPolicy): void {
    const from = modeName(this.#strict)
    this.#override = strict
    this.#assembled().exporter.recordOwn(lifecycle(Outcome.ModeChanged, { from, to: modeName(strict) }))
  }

  /** Resolves when every event recorded so far has its fate. */
  async flush(): Promise<void> {
    await this.#parts?.exporter.forceFlush()
  }

  /** Stores what waits, gives up the rest at the deadline, and disconnects. Idempotent. Later records fail. */
  async close(options: CloseOptions = {}): Promise<void> {
    const { settings, exporter } = this.#assembled()
    if (this.#started) {
      this.#started = false
      exporter.recordOwn(lifecycle(Outcome.Stopped, { version: VERSION, mode: modeName(this.#strict) }))
    }
    await exporter.close(options.timeoutMs ?? settings.closeTimeoutMs)
    unregisterPipeline(exporter)
  }

  /** Calls `listener` with the audit id and the fate of every event. @returns takes it off again */
  onSettled(listener: SettledListener): () => void {
    return this.#assembled().exporter.onSettled(listener)
  }

  /** How many events are where. */
  stats(): AuditStats {
    return this.#assembled().exporter.stats()
  }

  get #strict(): boolean | StrictPolicy {
    return this.#override ?? this.#assembled().settings.strict
  }

  #assembled(): Parts {
    if (this.#parts === undefined) {
      this.#parts = assemble(this.#options)
      const { exporter, settings } = this.#parts
      exporter.policy = {
        isStrict: (credential, operation) => isStrictBy(this.#strict, credential, operation),
        deadlineMs: (credential, operation) => deadlineBy(settings.deadlineMs, credential, operation),
      }
    }
    return this.#parts
  }
}

interface Parts {
  readonly settings: AuditSettings
  readonly sink: AuditSink
  readonly exporter: DurableAuditExporter
  readonly processor: AuditSpanProcessor
}

function assemble(options: AuditOptions): Parts {
  const settings = resolveOptions(options, process.env)
  const sink = options.sink ?? postgresSink(settings)
  const identity = serviceIdentity(settings, process.env)
  const exporter = new DurableAuditExporter({ ...settings, sink, identity })
  const processor = new AuditSpanProcessor(exporter, { flushTimeoutMs: settings.closeTimeoutMs })
  return { settings, sink, exporter, processor }
}

function postgresSink(settings: AuditSettings): PostgresAuditSink {
  const { databaseUrl, serviceName } = settings
  if (databaseUrl === undefined) {
    throw new AuditError(
      'AUDIT_INVALID_OPTION',
      'no database: set DATABASE_URL (or NOETL_SECRET_AUDIT_DATABASE_URL), or give createAudit a databaseUrl or a sink',
      { field: 'databaseUrl' },
    )
  }
  const applicationName = serviceName === undefined ? 'otel-audit' : `otel-audit ${serviceName}`
  return new PostgresAuditSink({ ...settings, databaseUrl, applicationName })
}

/** @returns what stands in its way: records go on without it, and strict mode does not start */
async function openSpool(
  { spoolDirectory, spoolMode, spoolBytes }: AuditSettings,
  exporter: DurableAuditExporter,
): Promise<SinkFinding | undefined> {
  if (spoolDirectory === undefined) return undefined
  try {
    const { openLmdbSpool } = await import('./exporter/spool/lmdb-spool.js')
    exporter.attachSpool(await openLmdbSpool({ directory: spoolDirectory, maxBytes: spoolBytes }), spoolMode)
    return undefined
  } catch (error) {
    return { level: 'error', check: 'spool', message: error instanceof Error ? error.message : String(error) }
  }
}

function lifecycle(outcome: Outcome, attributes: AuditAttributes): AuditFields {
  return {
    credential: TRAIL_CREDENTIAL,
    operation: Operation.AuditLifecycle,
    outcome,
    actorType: 'system',
    attributes,
  }
}

function modeName(strict: boolean | StrictPolicy): string {
  if (typeof strict === 'function') return 'policy'
  return strict ? 'strict' : 'async'
}

async function autoMigrate({ databaseUrl, schema }: AuditSettings): Promise<void> {
  if (process.env.NODE_ENV === 'production') {
    throw new AuditError(
      'AUDIT_INVALID_OPTION',
      'autoMigrate is for development, and NODE_ENV is production. Run `otel-audit migrate` as the owner',
      { field: 'autoMigrate' },
    )
  }
  if (databaseUrl === undefined) return
  const { migrate } = await import('./sink/postgres/migrate.js')
  await migrate({ databaseUrl, schema })
}

async function checkSink(sink: AuditSink): Promise<readonly SinkFinding[]> {
  try {
    return (await sink.check?.()) ?? []
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return [{ level: 'error', check: 'store', message }]
  }
}

/** The pipeline that is put together at the first record. */
function lazyPipeline(pipeline: () => AuditPipeline): AuditPipeline {
  return {
    get ids() {
      return pipeline().ids
    },
    get identity() {
      return pipeline().identity
    },
    get policy() {
      return pipeline().policy
    },
    tracing: true,
    submit: (ticket, route) => pipeline().submit(ticket, route),
  }
}
