import fs, { close } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { diag } from '../../host/diagnostics.js'
import { Operation, Outcome } from '../../event/vocabulary.js'
import { audited } from '../access.js'
import { probed } from '../client-hook.js'
import type { CoveredCopy } from '../coverage.js'
import { type Access, type AccessRow, OpenAccess, type Watch } from '../open-access.js'
import { notCovered } from '../required.js'
import { fileFailure } from './file-outcome.js'
import { absolutePath } from './secret-paths.js'

const WATCHED = Symbol.for('otel-audit.files.v1')

const MEMBERS = 'readFile, open, promises.readFile, promises.open'
const AT_ONCE = 'readFileSync, openSync'

type Args = readonly unknown[]
type Call = (...args: unknown[]) => unknown

/** What is replaced, and how its result is given back when it is withheld. */
interface Member {
  readonly of: object
  readonly name: 'readFile' | 'open' | 'readFileSync' | 'openSync'
  readonly how: (watched: Watched, api: string) => (target: Call, self: unknown, args: unknown[]) => unknown
}

const membersOf = (): readonly Member[] => [
  { of: fs, name: 'readFile', how: byCallback },
  { of: fs, name: 'open', how: byCallback },
  { of: fs, name: 'readFileSync', how: atOnce },
  { of: fs, name: 'openSync', how: atOnce },
  { of: fs.promises, name: 'readFile', how: byPromise },
  { of: fs.promises, name: 'open', how: byPromise },
]

/** What the replaced functions share. */
interface Watched {
  readonly watch: Watch
  /** The entry of what can be held back. */
  readonly copy: CoveredCopy
}

/**
 * Watches the files that hold secrets, by the functions of `node:fs` that open one. `createReadStream` opens by `open`.
 * Once in a process, whichever copy of this package is first. Nothing is replaced before there is a setting `files`.
 *
 * @returns puts back what was there, unless somebody has put something in front of it meanwhile
 */
export function watchFiles(watch: Watch): () => void {
  const holder = globalThis as { [WATCHED]?: true }
  if (holder[WATCHED]) return () => undefined
  holder[WATCHED] = true
  noteEarlier(watch)
  const watched = { watch, copy: watch.coverage.copy('node:fs', process.versions.node) }
  const ends = membersOf().map(({ of, name, how }) => {
    const real = Reflect.get(of, name) as Call
    const api = of === fs ? name : `promises.${name}`
    const own = new Proxy(real, { apply: how(watched, api) })
    Reflect.set(of, name, own)
    return () => Reflect.get(of, name) === own && Reflect.set(of, name, real)
  })
  // So that what was imported by name is replaced, too.
  syncBuiltinESMExports()
  void confirm(watched)
  return () => {
    for (const end of ends) end()
    syncBuiltinESMExports()
    delete holder[WATCHED]
  }
}

/** It keeps the functions that were there when it was loaded, and leaves this mark on `fs`. */
function noteEarlier({ coverage }: Watch): void {
  if (!Object.hasOwn(fs, Symbol.for('graceful-fs.queue'))) return
  coverage
    .copy('graceful-fs', undefined)
    .notHooked('loaded before the audit: it has the functions of node:fs as they were')
}

async function confirm({ watch, copy }: Watched): Promise<void> {
  const path = watch.settings.files?.probe
  if (path === undefined) return
  const seen = await probed(() => fs.promises.readFile(join(path, 'otel-audit.probe')))
  if (seen.some((one) => one.seen === 'client')) copy.hooked(MEMBERS)
  else copy.notHooked(`the probe of ${MEMBERS} did not come back`)
}

/** The path, when the call reads a file by its path. */
function readPath({ watch }: Watched, api: string, [path, options]: Args): string | undefined {
  if (watch.settings.files === undefined) return undefined
  if (/open/i.test(api) && !isReading(options)) return undefined
  return absolutePath(path)
}

/** Whether an `open` with these flags may read what was there before. */
function isReading(flags: unknown): boolean {
  if (typeof flags === 'number') {
    const { O_WRONLY, O_RDWR, O_TRUNC } = fs.constants
    return (flags & (O_WRONLY | O_RDWR)) !== O_WRONLY && (flags & O_TRUNC) === 0
  }
  if (typeof flags !== 'string') return true
  return !flags.includes('w') && (!flags.includes('a') || flags.includes('+'))
}

function accessOf(api: string, credential: string): Access {
  const attributes = { source: 'file' }
  return { provider: 'file', api, operation: Operation.GetCredential, credential, attributes }
}

function byPromise(watched: Watched, api: string) {
  return (target: Call, self: unknown, args: unknown[]): unknown => {
    const path = readPath(watched, api, args)
    const answer = Reflect.apply(target, self, args)
    return path === undefined ? answer : held(watched, api, path, answer as Promise<unknown>, args)
  }
}

function byCallback(watched: Watched, api: string) {
  return (target: Call, self: unknown, args: unknown[]): unknown => {
    const at = args.findLastIndex((arg) => typeof arg === 'function')
    const path = at < 0 ? undefined : readPath(watched, api, args)
    if (path === undefined) return Reflect.apply(target, self, args)
    const callback = args[at] as (...answer: unknown[]) => void
    let settle: (error: unknown, value?: unknown) => void = () => undefined
    const answer = new Promise<unknown>((resolve, reject) => {
      settle = (error, value) => (error ? reject(error) : resolve(value))
    })
    // What it throws at once, it throws.
    const returned = Reflect.apply(target, self, args.with(at, settle))
    // Not in the promise: what the callback throws is an uncaught exception, as without us.
    held(watched, api, path, answer, args).then(
      (value) => process.nextTick(callback, null, value),
      (error: unknown) => process.nextTick(callback, error),
    )
    return returned
  }
}

/** Hands the answer on when its row allows it. Up to its access, it runs in the turn of the call. */
async function held(
  { watch, copy }: Watched,
  api: string,
  path: string,
  answer: Promise<unknown>,
  args: Args,
): Promise<unknown> {
  const { files } = watch.settings
  let credential = files?.credentialOf(path)
  if (credential === undefined) {
    // A link may lead there. Where to is asked when the file was opened: the link is what it was then, or newer.
    await answer.catch(() => undefined)
    credential = await files?.credentialFarBehind(path)
  }
  if (credential === undefined) return answer
  const access = accessOf(api, credential)
  try {
    return await audited(watch, copy, {
      describe: () => access,
      call: () => answer,
      rows: () => [{ outcome: Outcome.Ok }],
      failure: fileFailure,
      signal: signalOf(args),
    })
  } catch (error) {
    answer.then(giveBack, () => undefined)
    throw error
  }
}

/** What was opened, and will not be handed on. */
function giveBack(value: unknown): void {
  if (typeof value === 'number') close(value, () => undefined)
  else if (isHandle(value)) value.close().catch(() => undefined)
}

function isHandle(value: unknown): value is { close(): Promise<void> } {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, 'close') === 'function'
}

function signalOf([, options]: Args): AbortSignal | undefined {
  const signal: unknown = (options as { readonly signal?: unknown } | null | undefined)?.signal
  return signal instanceof AbortSignal ? signal : undefined
}

/** A synchronous read cannot wait for its row: it is recorded async, and refused where all has to be held back. */
function atOnce({ watch, copy }: Watched, api: string) {
  return (target: Call, self: unknown, args: unknown[]): unknown => {
    const open = begun({ watch, copy }, api, args)
    if (open === undefined) return Reflect.apply(target, self, args)
    const { name, version } = copy
    if (watch.settings.instrument === 'required' && !open.isOwn) {
      later(open, { outcome: Outcome.Aborted })
      throw notCovered([{ name, version, state: 'observed', reason: `${api} cannot wait for its row` }])
    }
    if (!open.isOwn) watch.coverage.copy(`${name} sync`, version).observed(`${AT_ONCE} cannot wait for a row`)
    try {
      // `readFileSync` may open by `openSync`.
      const value = open.run<unknown>(() => Reflect.apply(target, self, args))
      later(open, { outcome: Outcome.Ok })
      return value
    } catch (error) {
      later(open, fileFailure(error))
      throw error
    }
  }
}

function begun(watched: Watched, api: string, args: Args): OpenAccess | undefined {
  try {
    const { watch, copy } = watched
    const { files } = watch.settings
    const path = readPath(watched, api, args)
    if (path === undefined || files === undefined) return undefined
    const credential = files.credentialOf(path) ?? files.credentialBehind(path)
    if (credential === undefined) return undefined
    return OpenAccess.begin(watch, copy, 'observed', accessOf(api, credential))
  } catch (error) {
    diag.error('otel-audit: the opening of a file could not be looked at; it is not audited', error)
    return undefined
  }
}

function later(open: OpenAccess, row: AccessRow): void {
  open.release([row], { mode: 'async' }).catch((error: unknown) => {
    diag.error('otel-audit: the opening of a file could not be recorded', error)
  })
}
