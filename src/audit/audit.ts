import { performance } from '../host/globals.js'
import { cryptoProblem, randomUUID } from '../host/crypto.js'
import { diag, useLogger } from '../host/diagnostics.js'
import { errorText } from '../host/error-text.js'
import { moved, type Moves } from '../host/invariant.js'
import { givenOptions } from '../host/own.js'
import { checkDuration } from '../host/timers.js'
import { AuditError } from '../errors.js'
import type { AuditFields } from '../event/event.js'
import { Outcome } from '../event/vocabulary.js'
import type { AuditStats, SettledListener, SpooledListener } from '../exporter/fates.js'
import { lifecycleRow } from '../event/self-rows.js'
import { withOwnerLevel } from '../options/owner-level.js'
import type { AuditOptions, AuditSettings } from '../options/options.js'
import { NAMELESS, serviceIdentity } from '../otel/identity.js'
import type { AuditSpanProcessor } from '../otel/processor.js'
import { checkTelemetry, type SelfTestReport } from '../otel/self-test.js'
import { identityIn, type SdkConfiguration, withAuditPipeline } from '../otel/sdk/with-sdk.js'
import { checkOptions } from '../options/resolve.js'
import { lazyPipeline } from '../service/lazy-pipeline.js'
import type { StrictPolicy } from '../service/mode.js'
import { registerPipeline, unregisterPipeline } from '../service/registry.js'
import { SecretAuditService } from '../service/service.js'
import { enrolmentFindings } from '../postgres/write/enrolment.js'
import type { HealthFinding } from '../contract/sink.js'
import { ownWork } from '../instrument/claim.js'
import type { Coverage } from '../instrument/coverage.js'
import type { Watch } from '../instrument/open-access.js'
import { assemble, type Parts } from './assembly.js'
import { Instruments, withInstrumentation } from './instruments.js'
import { nothingToSayAtExit, sayAtExit } from './at-exit.js'
import {
  autoMigrate,
  checkSink,
  errorsOf,
  modeName,
  openSpool,
  reportUnclaimed,
  sayFindings,
} from './start-up.js'
import { VERSION } from '../version.js'

export interface CloseOptions {
  /** How long storing what waits may take, in ms; `Infinity`: as long as it takes. Default: the option `closeTimeoutMs`. */
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

function checkCrypto(): HealthFinding[] {
  const problem = cryptoProblem()
  if (problem === undefined) return []
  const message = `${problem} is not what it should be in this process: something has been put in the place of node:crypto, and no verifier would take what is written`
  return [{ level: 'error', check: 'crypto', message }]
}

/** How long a start by itself that failed keeps the next one waiting, at most, in ms. */
const LONGEST_PAUSE_MS = 60_000

/** Where a pipeline is in its life, with what those who ask again are given. */
type State =
  | { readonly is: 'new' }
  | { readonly is: 'starting' | 'started'; readonly report: Promise<SelfTestReport> }
  | { readonly is: 'closing' | 'closed'; readonly done: Promise<void> }

const MOVES: Moves<State['is']> = {
  new: ['starting', 'closing'],
  starting: ['started', 'new', 'closing'],
  started: ['closing'],
  closing: ['closed'],
  closed: [],
}

/**
 * One audit pipeline: helper, span processor, exporter and sink. Made by {@link createAudit}.
 *
 * ```
 *   new ──start()──► starting ──the self-test has ended──► started
 *    ▲ │               │  │                                   │
 *    │ │               │  └────────── close() ───────────┐    │ close()
 *    │ └── close() ────┼───────────────────────────────┐ │    │
 *    └──── it failed ──┘                               ▼ ▼    ▼
 *                                                      closing ──► closed
 * ```
 *
 * Records are taken from `new` on: the first one starts it. One that was never used has nothing to close, and stays `new`.
 */
export class Audit {
  /** The helper. It may be used at once: the first record calls {@link start}, and strict ones wait for the self-test. */
  readonly service: SecretAuditService
  readonly #options: AuditOptions
  /** In its rows about itself: those of another pipeline of this process or instance are not its. */
  readonly #id = randomUUID()
  #state: State = { is: 'new' }
  #parts: Parts | undefined
  #instrumentsOnce: Instruments | undefined
  #override: boolean | StrictPolicy | undefined
  #spool: Promise<HealthFinding | undefined> | undefined
  #hasSdk = false
  /** Whether somebody called {@link start}. */
  #isExplicit = false
  /** Of starts by itself that failed. */
  #nextStartAt = 0
  #pauseMs = 0
  /** Whether it was said. */
  #isNameless = false

  /** @internal */
  constructor(options: AuditOptions) {
    checkOptions(options)
    this.#options = givenOptions(options)
    if (this.#options.logger !== undefined) useLogger(this.#options.logger)
    this.service = new SecretAuditService({
      pipeline: lazyPipeline(
        () => this.#assembled().exporter,
        () => this.#startByItself(),
      ),
    })
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
    this.#hasSdk = true
    const given = identityIn(config.resource)
    const serviceInstanceId = parts.settings.serviceInstanceId ?? given.serviceInstanceId
    const serviceName =
      this.#options.serviceName ?? config.serviceName ?? given.serviceName ?? parts.settings.serviceName
    const identity = serviceIdentity({ serviceName, serviceInstanceId }, process.env)
    parts.context.identity = identity
    const instrumentation =
      parts.settings.instrument === 'off' ? undefined : this.#instruments().instrumentation()
    return withInstrumentation(
      withAuditPipeline<Config>(
        config,
        parts.processor,
        identity,
        process.env,
        parts.settings.otlpSerializer,
      ),
      instrumentation,
    )
  }

  /**
   * Hooks one client of a secret manager that the application has made: for clients that were loaded before the pipeline, and
   * where modules cannot be hooked. Whatever `instrument` says.
   *
   * @throws AuditError `AUDIT_INVALID_OPTION` when it is no client that is known
   */
  instrument<Client extends object>(client: Client): Client {
    this.#instruments().hookInstance(client)
    return client
  }

  /**
   * How the secret clients of this process are covered: those that are loaded, and those whose traffic was seen. What the
   * states mean is in docs/coverage.md.
   */
  coverage(): readonly Coverage[] {
    return this.#instrumentsOnce?.watch.coverage.entries() ?? []
  }

  /** What the layers share. @internal */
  get watch(): Watch {
    return this.#instruments().watch
  }

  /**
   * Connects, makes this the pipeline of the process, opens the spool, runs the self-test, and writes a lifecycle row.
   *
   * Idempotent; after a failure it may be tried again. In strict mode strict records are refused until it succeeds.
   *
   * @returns what the self-test found
   * @throws AuditError `AUDIT_INVALID_OPTION`; in strict mode `AUDIT_SELF_TEST`, when records would not be durable; without
   *   strict mode such findings are said on the diagnostics logger, and records wait for the database. `AUDIT_NOT_COVERED`
   *   when `instrument` is `required`, and a secret client is not covered. `AUDIT_CLOSED` after {@link close}
   */
  start(): Promise<SelfTestReport> {
    if (this.#state.is === 'new') this.#isExplicit = true
    return this.#begin()
  }

  #begin(): Promise<SelfTestReport> {
    const state = this.#state
    if (state.is === 'starting' || state.is === 'started') return state.report
    if (state.is !== 'new') {
      return Promise.reject(new AuditError('AUDIT_CLOSED', 'the pipeline is closed: make another one'))
    }
    const report: Promise<SelfTestReport> = this.#start().then(
      (found) => {
        this.#startEnded({ is: 'started', report })
        return found
      },
      (error: unknown) => {
        this.#startEnded({ is: 'new' })
        throw error
      },
    )
    this.#to({ is: 'starting', report })
    return report
  }

  /** A record came before anybody called {@link start}: strict ones wait for the self-test, as after it. */
  #startByItself(): void {
    if (this.#state.is !== 'new' || performance.now() < this.#nextStartAt) return
    this.#isExplicit = false
    this.#pauseMs = Math.min(Math.max(1000, this.#pauseMs * 2), LONGEST_PAUSE_MS)
    this.#nextStartAt = performance.now() + this.#pauseMs
    this.#begin().catch((error: unknown) => {
      diag.error(`otel-audit: the pipeline could not be started: ${errorText(error)}`)
    })
  }

  /** It may have been closed meanwhile. */
  #startEnded(next: State): void {
    if (this.#state.is === 'starting') this.#to(next)
  }

  #to(next: State): void {
    moved('the audit pipeline', MOVES, this.#state.is, next.is)
    this.#state = next
  }

  async #start(): Promise<SelfTestReport> {
    const { exporter, settings } = this.#assembled()
    registerPipeline(exporter)
    if (settings.instrument !== 'off') this.#instruments().start()
    sayAtExit(exporter)
    reportUnclaimed(exporter)
    const isStrict = this.#strict !== false
    // What is strict is not even sent before it is known to be durable; nor is what started it, since nobody waited.
    const report = await (isStrict
      ? exporter.holdUntil(this.#prove())
      : this.#isExplicit
        ? this.#prepare()
        : exporter.holdUntil(this.#prepare()))
    // A client may have been loaded since.
    this.#instrumentsOnce?.checkCovered()
    exporter.refuseStrict(undefined)
    this.#instrumentsOnce?.tellDelivered()
    if (exporter.isClosed || !this.#tellsItsLife) return report
    exporter.recordOwn(this.#lifeRow(Outcome.Started))
    this.#instrumentsOnce?.report.start()
    return report
  }

  /** The strict start: when it fails, nothing strict is granted. */
  async #prove(): Promise<SelfTestReport> {
    // An earlier one may have failed: those who come meanwhile wait for this one.
    this.#assembled().exporter.refuseStrict(undefined)
    try {
      const report = await this.#prepare()
      if (!report.ok) throw new AuditError('AUDIT_SELF_TEST', errorsOf(report))
      return report
    } catch (error) {
      const why = errorText(error)
      const { exporter } = this.#assembled()
      exporter.refuseStrict(`strict records are refused until start() succeeds; it failed: ${why}`)
      throw error
    }
  }

  async #prepare(): Promise<SelfTestReport> {
    const { settings, exporter } = this.#assembled()
    if (settings.autoMigrate) await ownWork(() => autoMigrate(settings))
    this.#spool ??= openSpool(settings, exporter)
    if (exporter.identity.serviceName === undefined && !this.#isNameless && this.#tellsItsLife) {
      this.#isNameless = true
      diag.warn(`otel-audit: ${NAMELESS}`)
    }
    const report = await this.selfTest()
    // What was in its way may be mended by the next try.
    if ((await this.#spool) !== undefined) this.#spool = undefined
    // In the tests of an application there need not be a tracer.
    sayFindings(report, this.#tellsItsLife)
    this.#instrumentsOnce?.checkCovered()
    return report
  }

  /** Checks spool, tracer, meter and database. Never throws: what is wrong is a finding. */
  async selfTest(): Promise<SelfTestReport> {
    const { exporter, processor, settings, sink } = this.#assembled()
    exporter.metrics.refresh()
    const spool = await this.#spool
    const findings = [
      ...(spool === undefined ? [] : [spool]),
      ...checkCrypto(),
      ...checkTelemetry(exporter, this.#hasSdk || processor.hasSeenSpan),
      ...(this.#options.sink === undefined ? enrolmentFindings(settings) : []),
      ...withOwnerLevel(
        await ownWork(() => checkSink(sink)),
        { isStrict: this.#strict !== false, autoMigrate: settings.autoMigrate },
        process.env,
      ),
    ]
    return { ok: findings.every(({ level }) => level !== 'error'), findings }
  }

  /** Changes which accesses are strict, from the next record on, and writes a lifecycle row that says so. */
  setStrict(strict: boolean | StrictPolicy): void {
    const from = modeName(this.#strict)
    this.#override = strict
    this.#assembled().exporter.recordOwn(lifecycleRow(Outcome.ModeChanged, { from, to: modeName(strict) }))
  }

  /** Resolves when every event recorded so far has its fate. */
  async flush(): Promise<void> {
    await this.#parts?.exporter.forceFlush()
  }

  /**
   * Stores what waits, gives up the rest at the deadline, and disconnects. Idempotent. Later records fail.
   *
   * @throws AuditError `AUDIT_INVALID_OPTION` when `timeoutMs` is not a time
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const { timeoutMs } = givenOptions(options)
    checkDuration('timeoutMs', timeoutMs ?? 0, 0, Infinity)
    if (this.#parts === undefined) return
    const state = this.#state
    if (state.is !== 'closing' && state.is !== 'closed') {
      const done: Promise<void> = this.#close(this.#parts, timeoutMs).finally(() =>
        this.#to({ is: 'closed', done }),
      )
      this.#to({ is: 'closing', done })
      await done
    } else {
      await state.done
    }
  }

  async #close({ settings, exporter }: Parts, timeoutMs = settings.closeTimeoutMs): Promise<void> {
    if (this.#state.is === 'started' && this.#tellsItsLife) {
      exporter.recordOwn(this.#lifeRow(Outcome.Stopped))
    }
    this.#instrumentsOnce?.report.stop()
    await exporter.close(timeoutMs)
    unregisterPipeline(exporter)
    nothingToSayAtExit(exporter)
  }

  #lifeRow(outcome: Outcome): AuditFields {
    const attributes = { version: VERSION, mode: modeName(this.#strict), pipeline: this.#id }
    return lifecycleRow(outcome, attributes)
  }

  /** Calls `listener` with the audit id and the fate of every event. @returns takes it off again */
  onSettled(listener: SettledListener): () => void {
    return this.#assembled().exporter.onSettled(listener)
  }

  /**
   * Calls `listener` with the audit id of every event that is on disk in the spool (fsync): it survives this process.
   * With `spoolMode: 'always'` that is every async event, before it is sent, in the order of the records; an event that
   * the spool refused is not told. Its fate comes later, to {@link onSettled}. @returns takes it off again
   */
  onSpooled(listener: SpooledListener): () => void {
    return this.#assembled().exporter.onSpooled(listener)
  }

  /** How many events are where. */
  stats(): AuditStats {
    return this.#assembled().exporter.stats()
  }

  /** The tests of an application, which give it a sink and start nothing, find in it what they record, and nothing else. */
  get #tellsItsLife(): boolean {
    return this.#isExplicit || this.#options.sink === undefined
  }

  get #strict(): boolean | StrictPolicy {
    return this.#override ?? this.#assembled().settings.strict
  }

  #instruments(): Instruments {
    if (this.#instrumentsOnce !== undefined) return this.#instrumentsOnce
    const { exporter, settings } = this.#assembled()
    this.#instrumentsOnce = new Instruments(this.service, settings, process.env, exporter, this.#id)
    exporter.metrics.cover(this.#instrumentsOnce.watch.coverage)
    if (this.#state.is === 'started' && this.#tellsItsLife) this.#instrumentsOnce.report.start()
    return this.#instrumentsOnce
  }

  #assembled(): Parts {
    return (this.#parts ??= assemble(this.#options, () => this.#strict))
  }
}
