import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { ACCESS, denied, Gate, recording, turns } from './recording.js'
import { listening, traced } from './telemetry.js'

const { outcome: _, ...GUARDED } = ACCESS

describe('an AbortSignal ends the wait and never the write', () => {
  it('of recordStrict', async () => {
    const gate = new Gate()
    const { service, row } = recording({}, gate.write)
    const controller = new AbortController()
    const recorded = service.recordStrict(ACCESS, { signal: controller.signal })
    await gate.arrived
    const reason = new Error('the request was dropped')
    controller.abort(reason)
    await expect(recorded).rejects.toBe(reason)
    gate.release()
    expect(await row()).toMatchObject({ outcome: 'ok' })
  })

  it('of guard: the value is not released, the access is recorded', async () => {
    const gate = new Gate()
    const { service, row } = recording({ strict: true }, gate.write)
    const controller = new AbortController()
    const guarded = service.guard(GUARDED, () => 'secret', { signal: controller.signal })
    await gate.arrived
    controller.abort()
    await expect(guarded).rejects.toThrow('aborted')
    gate.release()
    expect(await row()).toMatchObject({ outcome: 'ok' })
  })

  it('of a failed access: the caller still sees that failure', async () => {
    const { service, row } = recording({ strict: true })
    const error = new Error('not found')
    const guarded = service.guard(GUARDED, () => Promise.reject(error), { signal: AbortSignal.abort() })
    await expect(guarded).rejects.toBe(error)
    expect(await row()).toMatchObject({ outcome: 'other' })
  })

  it('even when it was aborted before', async () => {
    const { service, row } = recording()
    const signal = AbortSignal.abort(new Error('gone'))
    await expect(service.recordStrict(ACCESS, { signal })).rejects.toThrow('gone')
    expect(await row()).toMatchObject({ outcome: 'ok' })
  })

  it('and in async mode there is no wait to end', async () => {
    const { service, row } = recording()
    expect(await service.guard(GUARDED, () => 'secret', { signal: AbortSignal.abort() })).toBe('secret')
    expect(await row()).toMatchObject({ outcome: 'ok' })
  })

  it('leaves no rejection behind when the write fails later, and no listener when it succeeds', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    onTestFinished(() => void process.off('unhandledRejection', unhandled))
    listening()
    const gate = new Gate()
    const { service, exporter } = recording({}, async (batch) => {
      await gate.write()
      return denied(batch)
    })
    const controller = new AbortController()
    const recorded = service.recordStrict(ACCESS, { signal: controller.signal })
    await gate.arrived
    controller.abort()
    await expect(recorded).rejects.toThrow()
    gate.release()
    await exporter.forceFlush()
    await turns()
    expect(unhandled).not.toHaveBeenCalled()

    const removed = vi.spyOn(AbortSignal.prototype, 'removeEventListener')
    onTestFinished(() => removed.mockRestore())
    await recording().service.recordStrict(ACCESS, { signal: new AbortController().signal })
    await turns()
    expect(removed).toHaveBeenCalledWith('abort', expect.any(Function))
  })

  it('and the span stays open until the write has its answer', async () => {
    const { spans } = traced()
    const gate = new Gate()
    const { service, exporter } = recording({}, gate.write)
    const controller = new AbortController()
    const recorded = service.recordStrict(ACCESS, { signal: controller.signal })
    await gate.arrived
    controller.abort()
    await expect(recorded).rejects.toThrow()
    expect(spans()).toEqual([])
    gate.release()
    await exporter.forceFlush()
    expect(spans()).toMatchObject([{ status: { code: 0 } }])
  })
})
