import { inspect } from 'node:util'
import { afterEach, expect, onTestFinished } from 'vitest'
import { createAudit } from '../../../src/audit/audit.js'
import type { AuditEvent } from '../../../src/event/event.js'
import {
  applyHook,
  type ClientHook,
  type HookContext,
  hookContext,
} from '../../../src/instrument/client-hook.js'
import { CoverageRegister } from '../../../src/instrument/coverage.js'
import type { Watch } from '../../../src/instrument/open-access.js'
import type { AccessRecorder } from '../../../src/instrument/recorder.js'
import { INSTRUMENT_DEFAULTS, type InstrumentSettings } from '../../../src/instrument/settings.js'
import type { AuditOptions } from '../../../src/options/options.js'
import { RecordingAuditSink } from '../../../src/sinks/recording.js'
import { Gate } from '../../service/recording.js'
import { LASTING } from '../../support/faults.js'
import { waitUntil } from '../../support/wait-until.js'
import { said } from '../watched.js'

/** What every fake answers with, and nothing may have written down. */
export const CANARY = 'canary-4b1d-of-a-provider'

let scene: Scene | undefined

function current(): Scene {
  if (scene === undefined) throw new Error('no scene is set')
  return scene
}

/** A class is hooked once in a process: what is hooked here is watched by the scene of the test that runs. */
const RELAY: Watch = {
  coverage: new CoverageRegister(),
  get recorder() {
    return current().recorder
  },
  settings: new Proxy({} as InstrumentSettings, {
    get: (_, key) => current().settings[key as keyof InstrumentSettings],
  }),
}

afterEach(() => {
  scene = undefined
})

export interface Scene {
  readonly recorder: AccessRecorder
  readonly settings: InstrumentSettings
  /** From now on the store is down, or is there again. */
  isDown: boolean
  /** Rows that are stored at this moment. */
  stored(): readonly AuditEvent[]
  /** Rows, once every event has its fate. */
  rows(): Promise<readonly AuditEvent[]>
  /** The same, as they are told apart. The canary is in none of them, in no form. */
  said(): Promise<readonly object[]>
  /** Writes wait for it from now on. */
  gate(): Gate
}

/** Sets the scene of this test: a pipeline over a store that can be down, or wait. */
export function scened(options: AuditOptions = {}, settings: Partial<InstrumentSettings> = {}): Scene {
  const set = unscened(options, settings)
  onTestFinished(set.close)
  return set
}

function unscened(
  options: AuditOptions = {},
  settings: Partial<InstrumentSettings> = {},
): Scene & { readonly close: () => Promise<void> } {
  let gate: Gate | undefined
  const sink = new RecordingAuditSink(() => (set.isDown ? LASTING : gate?.write()))
  const audit = createAudit({ sink, lingerMs: 0, deadlineMs: 500, ...options })
  const set = {
    recorder: audit.service,
    settings: { ...INSTRUMENT_DEFAULTS, ...settings },
    isDown: false,
    stored: () => sink.events,
    async rows() {
      await audit.flush()
      return sink.events
    },
    async said() {
      const rows = await set.rows()
      noCanaryIn(rows)
      return rows.map(said)
    },
    gate: () => (gate ??= new Gate()),
    close: () => audit.close({ timeoutMs: 100 }),
  }
  scene = set
  return set
}

/** The canary is nowhere in it, in no form. */
function noCanaryIn(where: unknown): void {
  const text = inspect(where, { depth: 9, maxStringLength: null, maxArrayLength: null })
  for (const form of ['utf8', 'base64', 'hex'] as const) {
    expect(text).not.toContain(Buffer.from(CANARY).toString(form))
  }
}

/** Hooks a package as it is loaded, in place of the loader. @returns its exports, and its coverage once that is known */
export async function hookedPackage<Exports>(
  hook: ClientHook | undefined,
  name: string,
  exports: Exports,
  settings: Partial<InstrumentSettings> = {},
): Promise<{ readonly exports: Exports; readonly coverage: unknown }> {
  if (hook === undefined) throw new Error(`no hook for ${name}`)
  const { rows, close } = unscened({}, settings)
  const given = applyHook(RELAY, hook, exports, { name, version: '1.2.3' })
  const coverage = await waitUntil(`coverage of ${name}`, () =>
    RELAY.coverage.entries().find((entry) => entry.name === name),
  )
  expect(await rows()).toEqual([])
  await close()
  return { exports: given as Exports, coverage }
}

/** What a hook gets for a package. */
export function contextFor(name: string): HookContext {
  if (scene === undefined) unscened()
  return hookContext(RELAY, RELAY.coverage.copy(name, '1.2.3'))
}

/** What a call throws. */
export async function thrownBy(call: Promise<unknown>): Promise<unknown> {
  try {
    await call
  } catch (error) {
    return error
  }
  throw new Error('it did not throw')
}
