import { context, propagation } from '@opentelemetry/api'
import { diag } from '../host/diagnostics.js'
import type { AttributeValue, AuditAttributes } from '../event/attributes.js'
import type { AuditFields } from '../event/event.js'
import type { Operation, Outcome } from '../event/vocabulary.js'
import { type AccessKey, claiming, type GuardedRows, type Seen, standing, unclaimed } from './claim.js'
import type { CoverageRegister, CoveredCopy } from './coverage.js'
import type { AccessRecorder, AccessRecording } from './recorder.js'
import type { InstrumentSettings } from './settings.js'

/** Values that are not known are left out. Copied by name from what is known not to be secret. */
export type AccessAttributes = Readonly<Record<string, AttributeValue | undefined>>

/** An access as it is known before its call. */
export interface Access {
  /** `aws`, `vault`, `gcp`, `azure`, … */
  readonly provider: string
  /** The call, as the provider names it: `GetSecretValue`. */
  readonly api: string
  readonly operation: Operation
  /** What was asked for, as it was asked for. */
  readonly credential: string
  /** What a layer below may call the same. */
  readonly aliases?: readonly string[] | undefined
  /** Of a batch: every name that was asked for. */
  readonly batch?: readonly string[] | undefined
  /** Region of the provider that serves. */
  readonly serverRegion?: string | undefined
  readonly attributes?: AccessAttributes | undefined
}

/** What one row says beside what is known of its access before the call. */
export interface AccessRow {
  /** Default: that of the access. */
  readonly credential?: string | undefined
  readonly outcome: Outcome
  readonly attributes?: AccessAttributes | undefined
}

/** What all layers of a process share. */
export interface Watch {
  readonly recorder: AccessRecorder
  readonly coverage: CoverageRegister
  readonly settings: InstrumentSettings
}

/** An access that gets rows of its own, or those of a guard: from its beginning to the release of what it fetched. */
export class OpenAccess {
  readonly #watch: Watch
  readonly #seen: Seen
  readonly #access: Access
  readonly #key: AccessKey
  /** Of the pipeline itself. */
  readonly #isOwn: boolean
  readonly #inside: (() => bigint | undefined) | undefined
  readonly #guarded: GuardedRows | undefined
  readonly #recording: AccessRecording

  /** @returns undefined when a layer above records the same access */
  static begin(watch: Watch, copy: CoveredCopy, seen: Seen, access: Access): OpenAccess | undefined {
    const { provider, operation, credential, aliases = [], batch = [] } = access
    const key = { provider, operation, credentials: [credential, ...aliases, ...batch] }
    const at = standing(seen, key)
    if (at.is === 'claimed') {
      watch.coverage.claimed()
      return undefined
    }
    copy.called()
    watch.coverage.counted(seen)
    const isOwn = at.is === 'own'
    return new OpenAccess(watch, seen, access, key, {
      isOwn,
      inside: at.is === 'own' ? undefined : at.inside?.auditId,
      guarded: at.is === 'guarded' ? at.guard.begin() : undefined,
      recording: isOwn ? { mode: 'async' } : { reservation: watch.recorder.reservation() },
    })
  }

  private constructor(
    watch: Watch,
    seen: Seen,
    access: Access,
    key: AccessKey,
    {
      isOwn,
      inside,
      guarded,
      recording,
    }: {
      readonly isOwn: boolean
      readonly inside: (() => bigint | undefined) | undefined
      readonly guarded: GuardedRows | undefined
      readonly recording: AccessRecording
    },
  ) {
    this.#watch = watch
    this.#seen = seen
    this.#access = access
    this.#key = key
    this.#isOwn = isOwn
    this.#inside = inside
    this.#guarded = guarded
    this.#recording = recording
  }

  /** Whether the pipeline itself accesses it. */
  get isOwn(): boolean {
    return this.#isOwn
  }

  /** Runs the call, so that no layer below records the access again. */
  run<T>(call: () => T): T {
    return claiming({ kind: 'access', key: this.#key, auditId: this.#recording.reservation?.auditId }, call)
  }

  /**
   * Records how it ended. No rows: it was no access to a secret after all.
   *
   * @returns when what it fetched may be handed on
   * @throws AuditError when it must not be
   */
  async release(
    rows: readonly AccessRow[],
    { signal, mode }: Pick<AccessRecording, 'signal' | 'mode'> = {},
  ): Promise<void> {
    if (rows.length === 0) return
    const fields = rows.map((row) => this.#fields(row))
    const record = (): Promise<void> => {
      const inside = this.#inside?.()
      const own = inside === undefined ? fields : fields.map((one) => withInside(one, inside))
      // What the application is asked meanwhile, its policy, is outside of every access.
      return unclaimed(() =>
        this.#watch.recorder.recordAccess(own, {
          mode,
          ...this.#recording,
          signal,
        }),
      )
    }
    await (this.#guarded === undefined ? record() : this.#guarded.ended(fields, record))
  }

  /** A row for each name of a batch that was asked for; else one. */
  rowsFor(row: AccessRow): readonly AccessRow[] {
    const { credential, batch = [] } = this.#access
    const names = batch.length === 0 ? [row.credential ?? credential] : batch
    return names.map((name) => ({ ...row, credential: name }))
  }

  #fields({ credential, outcome, attributes }: AccessRow): AuditFields {
    const { provider, api, operation, serverRegion } = this.#access
    const asked = credential ?? this.#access.credential
    const { settings } = this.#watch
    return {
      credential: typeof asked === 'string' && asked !== '' ? asked : 'unknown',
      operation,
      outcome,
      serverRegion,
      actorType: 'service',
      actorId: settings.actor && actorBy(settings.actor),
      attributes: known({
        ...this.#access.attributes,
        ...attributes,
        provider,
        api,
        seen: this.#seen,
        own: this.#isOwn || undefined,
        claimed_actor: settings.claimedActor === undefined ? undefined : baggage(settings.claimedActor),
      }),
    }
  }
}

function withInside(fields: AuditFields, inside: bigint): AuditFields {
  return { ...fields, attributes: { ...fields.attributes, inside: String(inside) } }
}

/** A client may put anything into its fields: an event must not be refused for one. */
function known(attributes: AccessAttributes): AuditAttributes {
  const entries = Object.entries(attributes).filter(([, value]) => value !== undefined && value !== '')
  return Object.fromEntries(entries.map(([key, value]) => [key, storable(value)]))
}

function storable(value: AttributeValue | undefined): AttributeValue {
  const isKnown = typeof value === 'boolean' || typeof value === 'string' || Number.isSafeInteger(value)
  return isKnown && value !== undefined ? value : typeof value
}

function actorBy(actor: () => string | undefined): string | undefined {
  try {
    const answer: unknown = unclaimed(actor)
    return typeof answer === 'string' && answer !== '' ? answer : undefined
  } catch (error) {
    diag.error('otel-audit: the option instrument.actor threw; the row has no actor', error)
    return undefined
  }
}

function baggage(name: string): string | undefined {
  try {
    return propagation.getBaggage(context.active())?.getEntry(name)?.value
  } catch {
    return undefined
  }
}
