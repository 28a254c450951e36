import { vi } from 'vitest'
import { taken } from '../../src/host/globals.js'

/** Fake `setTimeout` and `clearTimeout`, also for the library, which has taken its own. @returns puts the real ones back */
export function fakeTimeouts(): () => void {
  const { setTimeout, clearTimeout } = taken
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  Object.assign(taken, { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout })
  return () => {
    Object.assign(taken, { setTimeout, clearTimeout })
    vi.useRealTimers()
  }
}
