import { AsyncLocalStorage } from 'node:async_hooks'
import { type Context, context, createContextKey, ROOT_CONTEXT } from '@opentelemetry/api'
import { afterEach, describe, expect, it } from 'vitest'
import { untraced } from '../../src/host/untraced.js'

const SUPPRESSED = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING')
const isSuppressed = (): boolean => context.active().getValue(SUPPRESSED) === true
type With = (context: Context, fn: () => unknown) => unknown

afterEach(() => context.disable())

function contextManager(withContext: With, active = (): Context => ROOT_CONTEXT): void {
  const manager = { active, with: withContext, bind: (_: Context, target: unknown) => target }
  context.setGlobalContextManager({ ...manager, enable: () => manager, disable: () => manager } as never)
}

const fails = (): never => {
  throw new Error('hostile')
}

describe('untraced work', () => {
  it('runs, with what it awaits, where the SDK makes no spans', async () => {
    const storage = new AsyncLocalStorage<Context>()
    contextManager(
      (active, fn) => storage.run(active, fn),
      () => storage.getStore() ?? ROOT_CONTEXT,
    )
    const seen = await untraced(async () => {
      const before = isSuppressed()
      await Promise.resolve()
      return [before, isSuppressed()]
    })
    expect(seen).toEqual([true, true])
    expect(isSuppressed()).toBe(false)
  })

  it.each<[string, With, (() => Context) | undefined]>([
    ['has no context', (_, fn) => fn(), fails],
    ['throws before it runs it', fails, undefined],
    [
      'throws after it ran it',
      (_, fn) => {
        fn()
        fails()
      },
      undefined,
    ],
    ['never runs it', () => undefined, undefined],
    [
      'runs it twice',
      (_, fn) => {
        fn()
        return fn()
      },
      undefined,
    ],
  ])('runs once, and ends as it ends, when the context manager %s', (_, withContext, active) => {
    contextManager(withContext, active)
    let runs = 0
    expect(untraced(() => ++runs)).toBe(1)
    const own = new Error('own')
    expect(() =>
      untraced(() => {
        runs++
        throw own
      }),
    ).toThrow(own)
    expect(runs).toBe(2)
  })
})
