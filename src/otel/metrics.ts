import {
  type BatchObservableCallback,
  type Histogram,
  type Meter,
  type MeterProvider,
  metrics,
  type Observable,
} from '@opentelemetry/api'
import { diag } from '../host/diagnostics.js'
import { isOwnOperation, KNOWN_OPERATIONS, KNOWN_OUTCOMES } from '../event/vocabulary.js'
import { VERSION } from '../version.js'

const PREFIX = 'noetl.secret_audit.'

/** How the write of an event ended; the label `status` of `noetl.secret_audit.writes`. */
export type WriteStatus = 'written' | 'dropped_async' | 'failed_strict'
export const WRITE_STATUSES: readonly WriteStatus[] = ['written', 'dropped_async', 'failed_strict']

/** Counters without labels: name → what it counts. */
export const COUNTERS = Object.freeze({
  'records.emitted': 'Audit events that entered the pipeline',
  'records.direct': 'Audit events that entered it without the trace, because no span processor claimed them',
  'records.sanitized': 'Audit events with text that had to be escaped or cut',
  'records.redacted': 'Texts replaced because they contained the returned secret',
  'records.rekeyed':
    'Audit events that got another id: a different event had theirs, or its time has no place in the database',
  'records.quarantined': 'Audit events that were set aside, because the database refuses them',
  'records.handed_back':
    'Audit events that a gateway did not store, and whose senders have them still: they send them again',
  'denials.repeated':
    'Denials and failures of a credential that had ten within the five minutes before, of the thousand denied last',
  'strict.denied': 'Strict callers that got an error, whatever became of the row',
  'spool.out': 'Audit events that left memory, because they are in the spool',
  'spool.in': 'Audit events that came back from the spool, those of dead processes included',
  'records.lost_by_store': 'Rows that the database had acknowledged, and has lost since',
  'shutdown.abandoned': 'Audit events given up because the deadline of close() passed',
  'spans.unreadable': 'secret.access span events of other code that lack what an audit event needs',
  'spans.dropped_events': 'Span events that the SDK dropped before they could be read',
})
export type CounterName = keyof typeof COUNTERS

/** Most operations, and most outcomes, that become label values in a process: 20 × 32 × 3 series of writes. */
export const MAX_OPERATION_LABELS = 20
export const MAX_OUTCOME_LABELS = 32

/** The label of everything beyond the limit. */
const OTHER_LABEL = 'other'
/** The operation of the rows that the pipeline writes about itself: their outcome is `ok`, or `other` for what calls for a look. */
const OWN_LABEL = 'audit'

/** Outcomes of the pipeline's own rows that are as they should be. */
const OWN_OK: ReadonlySet<string> = new Set(['started', 'stopped', 'mode_changed', 'hooked', 'wire'])
const ONLY_OWN: ReadonlySet<string> = new Set([...OWN_OK, 'lost', 'not_hooked', 'observed'])

/** Operations that always have series of their own. */
export const OPERATION_LABELS: readonly string[] = Object.freeze([
  ...KNOWN_OPERATIONS.filter((name) => !isOwnOperation(name)),
  OWN_LABEL,
  OTHER_LABEL,
])
/** Outcomes that always have series of their own. */
export const OUTCOME_LABELS: readonly string[] = Object.freeze(
  KNOWN_OUTCOMES.filter((name) => !ONLY_OWN.has(name)),
)

/** Keeps the values of a metric label bounded: the known ones always, others first come, first served. */
export class LabelSet {
  readonly #limit: number
  readonly #values: Set<string>

  constructor(known: readonly string[], limit: number) {
    this.#values = new Set(known)
    this.#limit = limit
  }

  label(value: string): string {
    if (this.#values.has(value)) return value
    if (this.#values.size >= this.#limit) return OTHER_LABEL
    this.#values.add(value)
    return value
  }
}

export const operationLabels = (): LabelSet => new LabelSet(OPERATION_LABELS, MAX_OPERATION_LABELS)
export const outcomeLabels = (): LabelSet => new LabelSet(OUTCOME_LABELS, MAX_OUTCOME_LABELS)

/** Current values, read when metrics are collected. */
export interface GaugeSource {
  /** Events waiting or in flight. */
  readonly queueDepth: number
  /** Age of the oldest event whose fate is not known, in s; 0 when there is none. */
  readonly oldestPendingAge: number
  /** Entries of the spool. */
  readonly spoolDepth: number
  /** Bytes of those entries. */
  readonly spoolBytes: number
}

/** Which secret clients are covered, and how many of their accesses were seen by each layer. */
export interface CoverageSource {
  entries(): readonly {
    readonly name: string
    readonly version: string | undefined
    readonly state: string
  }[]
  accesses(): Readonly<Record<(typeof LAYERS)[number], number>>
}

/** Layers that see accesses; each has its series from the start. */
const LAYERS = ['client', 'wire', 'observed'] as const

const EMPTY: GaugeSource = { queueDepth: 0, oldestPendingAge: 0, spoolDepth: 0, spoolBytes: 0 }

/** Boundaries in seconds: a local commit takes a millisecond, a strict deadline is five seconds. */
const COMMIT_BOUNDARIES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]
const BATCH_BOUNDARIES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]

interface Instruments {
  readonly provider: MeterProvider
  readonly commitDuration: Histogram
  readonly batchSize: Histogram
  /** Removes the callback from the meter. */
  detach(): void
}

/**
 * The metrics of one pipeline.
 *
 * The totals are kept here and *observed* by the SDK. So every series of the closed label set is there at 0 from the
 * first collection, nothing counted before a MeterProvider is registered is lost, and a provider that comes later
 * (an instrument made before it would stay dead for ever) gets instruments of its own at the next {@link refresh}.
 */
export class AuditMetrics {
  readonly #writes = new Map<string, Map<string, Map<WriteStatus, number>>>()
  readonly #counters = new Map<CounterName, number>()
  readonly #operations = operationLabels()
  readonly #outcomes = outcomeLabels()
  readonly #gauges: () => GaugeSource
  #coverage: CoverageSource | undefined
  #instruments: Instruments | undefined

  /** @param gauges the current values; all 0 without it */
  constructor(gauges: () => GaugeSource = () => EMPTY) {
    this.#gauges = gauges
    for (const operation of OPERATION_LABELS) {
      for (const outcome of OUTCOME_LABELS) this.#series(operation, outcome)
    }
  }

  countWrite(event: { operation: string; outcome: string }, status: WriteStatus, by = 1): void {
    const { operation, outcome } = event
    const series = isOwnOperation(operation)
      ? this.#series(OWN_LABEL, OWN_OK.has(outcome) ? 'ok' : OTHER_LABEL)
      : this.#series(this.#operations.label(operation), this.#outcomes.label(outcome))
    series.set(status, (series.get(status) ?? 0) + by)
  }

  /** From now on that is observed, too. */
  cover(source: CoverageSource): void {
    this.#coverage = source
  }

  count(name: CounterName, by = 1): void {
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + by)
  }

  /** A counter's total so far. */
  total(name: CounterName): number {
    return this.#counters.get(name) ?? 0
  }

  /** Events with that status so far, over all operations and outcomes. */
  writes(status: WriteStatus): number {
    let sum = 0
    for (const outcomes of this.#writes.values()) {
      for (const statuses of outcomes.values()) sum += statuses.get(status) ?? 0
    }
    return sum
  }

  /** A batch was committed. @param seconds from its first send */
  recordCommit(seconds: number, rows: number): void {
    guarded('record', () => {
      this.#instruments?.commitDuration.record(seconds)
      this.#instruments?.batchSize.record(rows)
    })
  }

  /** Makes instruments when a MeterProvider is registered that has none of them yet. Cheap when nothing changed. */
  refresh(): void {
    guarded('refresh', () => {
      const provider = metrics.getMeterProvider()
      if (provider === this.#instruments?.provider) return
      this.#instruments?.detach()
      this.#instruments = this.#attach(provider)
    })
  }

  #attach(provider: MeterProvider): Instruments {
    const meter = provider.getMeter('otel-audit', VERSION)
    const writes = meter.createObservableCounter(`${PREFIX}writes`, {
      description: 'Audit events by operation, outcome and how their write ended',
    })
    const counters = (Object.keys(COUNTERS) as CounterName[]).map((name) => ({
      name,
      instrument: meter.createObservableCounter(`${PREFIX}${name}`, { description: COUNTERS[name] }),
    }))
    const accesses = meter.createObservableCounter(`${PREFIX}accesses`, {
      description: 'Accesses of secret clients that were seen without a change of the application, by layer',
    })
    const { depth, age, spoolDepth, spoolBytes, coverage, info } = gaugesOf(meter)
    const observables: Observable[] = [
      writes,
      ...counters.map((c) => c.instrument),
      accesses,
      depth,
      age,
      spoolDepth,
      spoolBytes,
      coverage,
      info,
    ]
    const callback: BatchObservableCallback = (result) => {
      for (const [operation, outcomes] of this.#writes) {
        for (const [outcome, statuses] of outcomes) {
          for (const status of WRITE_STATUSES) {
            result.observe(writes, statuses.get(status) ?? 0, { operation, outcome, status })
          }
        }
      }
      for (const { name, instrument } of counters) result.observe(instrument, this.total(name))
      const gauges = this.#gauges()
      result.observe(depth, gauges.queueDepth)
      result.observe(age, gauges.oldestPendingAge)
      result.observe(spoolDepth, gauges.spoolDepth)
      result.observe(spoolBytes, gauges.spoolBytes)
      result.observe(info, 1, { version: VERSION })
      const seen = this.#coverage?.accesses()
      for (const layer of LAYERS) result.observe(accesses, seen?.[layer] ?? 0, { layer })
      for (const { name, version = 'unknown', state } of this.#coverage?.entries() ?? []) {
        result.observe(coverage, 1, { client: name, version, state })
      }
    }
    meter.addBatchObservableCallback(callback, observables)
    return {
      provider,
      commitDuration: meter.createHistogram(`${PREFIX}commit.duration`, {
        description: 'From sending a batch to its commit',
        unit: 's',
        advice: { explicitBucketBoundaries: COMMIT_BOUNDARIES },
      }),
      batchSize: meter.createHistogram(`${PREFIX}batch.size`, {
        description: 'Rows of a committed batch',
        advice: { explicitBucketBoundaries: BATCH_BOUNDARIES },
      }),
      detach: () => meter.removeBatchObservableCallback(callback, observables),
    }
  }

  #series(operation: string, outcome: string): Map<WriteStatus, number> {
    let outcomes = this.#writes.get(operation)
    if (outcomes === undefined) this.#writes.set(operation, (outcomes = new Map()))
    let statuses = outcomes.get(outcome)
    if (statuses === undefined) outcomes.set(outcome, (statuses = new Map()))
    return statuses
  }
}

function gaugesOf(meter: Meter) {
  return {
    depth: meter.createObservableGauge(`${PREFIX}queue.depth`, {
      description: 'Audit events waiting or in flight',
    }),
    age: meter.createObservableGauge(`${PREFIX}oldest_pending_age`, {
      description: 'Age of the oldest audit event whose fate is not known',
      unit: 's',
    }),
    spoolDepth: meter.createObservableGauge(`${PREFIX}spool.depth`, {
      description: 'Audit events in the spool',
    }),
    spoolBytes: meter.createObservableGauge(`${PREFIX}spool.bytes`, {
      description: 'Bytes of the audit events in the spool',
      unit: 'By',
    }),
    coverage: meter.createObservableGauge(`${PREFIX}coverage`, {
      description: '1 for each secret client of the process, with how it is covered',
    }),
    info: meter.createObservableGauge(`${PREFIX}build_info`, {
      description: '1, with the version as a label',
    }),
  }
}

/** The meter is the application's: one that throws changes nothing about a record. */
function guarded(what: string, call: () => void): void {
  try {
    call()
  } catch (error) {
    diag.warn(`otel-audit: the meter threw in ${what}; records are not affected`, error)
  }
}
