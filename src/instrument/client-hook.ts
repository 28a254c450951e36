import { errorText } from '../host/error-text.js'
import { type AuditedCall, audited } from './access.js'
import { claiming, type AccessKey, type Seen } from './claim.js'
import type { CoveredCopy } from './coverage.js'
import { isCovered } from './known-clients.js'
import type { Watch } from './open-access.js'
import { notCovered } from './required.js'
import type { InstrumentSettings } from './settings.js'

/** What the hook of a client gets for one loaded copy of its package. */
export interface HookContext {
  /** The entry of this copy in the coverage. {@link applyHook} says `hooked`; the hook itself says only what is missing. */
  readonly copy: CoveredCopy
  readonly settings: InstrumentSettings
  /** Runs a call of the client as an access. */
  audited<Output>(call: AuditedCall<Output>): Promise<Output>
}

/** What a hook did to a copy. */
interface Hooked {
  /** The exports in place of the package's; undefined: they were changed where they are. */
  readonly exports?: unknown
  /** The public members that are hooked, for the coverage: `SSMClient.prototype.send`. */
  readonly members: string
}

/**
 * The hook of one client, layer 1: public members only. One file a client, with pure tables for what its calls, answers and
 * errors mean. Nothing of it may throw into the application: what throws is reported as `not_hooked`, and the client works on.
 */
export interface ClientHook {
  /** For `instrument.disable`: `aws-secrets-manager`. */
  readonly name: string
  /** Names of the packages that it knows. */
  readonly packages: readonly string[]
  /** Always `['*']`: the hook looks for the members it needs, and says when they are missing. */
  readonly supportedVersions: readonly string[]
  /** Whether what it sees is recorded at all. Default: it is. */
  isWanted?(settings: InstrumentSettings): boolean
  /**
   * Hooks one loaded copy. A copy that is hooked already is left as it is: {@link isHooked}.
   *
   * @returns undefined when the members it needs are not there; then it has said so by `context.copy.notHooked`
   */
  hook(exports: unknown, context: HookContext): Hooked | undefined
  /**
   * Makes a call of a hooked copy that reaches no network, inside of a claim that makes no row.
   *
   * @returns when it has ended; whether the hook saw it is found out by the caller
   */
  probe?(exports: unknown): Promise<unknown>
  /** Hooks one instance that the application hands over. @returns false when it is none of this client's */
  hookInstance?(client: object, context: HookContext): boolean
}

const HOOKED = Symbol.for('otel-audit.hooked.v1')

/** Whether a prototype or function carries the mark itself: a subclass, and another copy, have one of their own. */
export function isHooked(target: object): boolean {
  return Object.hasOwn(target, HOOKED)
}

/** Marks a prototype or function as hooked. */
export function markHooked(target: object): void {
  Object.defineProperty(target, HOOKED, { value: true })
}

/** Puts a function in the place of a public method. `wrap` gets the one that was there, own or inherited. */
export function replaceMethod(
  target: object,
  name: string,
  wrap: (original: (...args: never[]) => unknown) => (...args: never[]) => unknown,
): void {
  const original: unknown = Reflect.get(target, name)
  if (typeof original !== 'function') throw new TypeError(`there is no method ${name}`)
  const value = wrap(original as (...args: never[]) => unknown)
  Object.defineProperty(target, name, { configurable: true, writable: true, value })
}

/** What a hook is given for one copy. */
export function hookContext(watch: Watch, copy: CoveredCopy): HookContext {
  return { copy, settings: watch.settings, audited: (call) => audited(watch, copy, call) }
}

/**
 * Hooks one loaded copy of a package, runs the probe, and enters what came of it into the coverage.
 *
 * @returns the exports that the application is to get
 * @throws AuditError `AUDIT_NOT_COVERED` when that is required, and nothing else would see the client
 */
export function applyHook(
  watch: Watch,
  hook: ClientHook,
  exports: unknown,
  { name, version }: { readonly name: string; readonly version: string | undefined },
): unknown {
  const copy = watch.coverage.copy(name, version)
  try {
    const hooked = hook.hook(exports, hookContext(watch, copy))
    if (hooked === undefined) return unhooked(watch, copy, exports)
    const given = hooked.exports ?? exports
    if (hook.probe === undefined) copy.hooked(hooked.members)
    else void confirmed(copy, hooked.members, () => hook.probe?.(given))
    return given
  } catch (error) {
    copy.notHooked(`the hook threw: ${errorText(error)}`)
    return unhooked(watch, copy, exports)
  }
}

function unhooked({ settings }: Watch, { name, version, coverage }: CoveredCopy, exports: unknown): unknown {
  if (settings.instrument !== 'required' || coverage === undefined || isCovered(coverage)) return exports
  throw notCovered([{ name, version, state: coverage.state, reason: coverage.reason }])
}

/** Says `hooked` once the probe's call was seen by the hook. */
async function confirmed(
  copy: CoveredCopy,
  members: string,
  probe: () => Promise<unknown> | undefined,
): Promise<void> {
  const seen = await probed(probe)
  if (seen.some((one) => one.seen === 'client')) copy.hooked(members)
  else copy.notHooked(`the probe of ${members} did not come back`)
}

/** Runs a call that must reach no network where it makes no row. @returns which layers saw an access, and of what */
export async function probed(
  call: () => unknown,
): Promise<readonly { readonly seen: Seen; readonly key: AccessKey }[]> {
  const found: { seen: Seen; key: AccessKey }[] = []
  const onProbe = (seen: Seen, key: AccessKey): void => void found.push({ seen, key })
  try {
    await claiming({ kind: 'probe', onProbe }, async () => call())
  } catch {
    // A canned answer may be none that the client likes: what counts is that the call was seen.
  }
  return found
}
