import { expect, it } from 'vitest'
import { Patience } from '../../src/gateway/patience.js'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

it('ends when it has waited for so long, and not for what it did itself meanwhile', async () => {
  let ends = 0
  const patience = new Patience(60, () => {
    ends++
  })
  expect(await patience.during(() => pause(150).then(() => 'done'))).toBe('done')
  expect(ends).toBe(0)
  await pause(150)
  expect(ends).toBe(1)
})

it('says how long it has waited, and can be lost before', async () => {
  let ends = 0
  const patience = new Patience(60_000, () => {
    ends++
  })
  await pause(20)
  expect(patience.waitedMs).toBeGreaterThan(15)
  await patience.during(async () => {
    expect(patience.waitedMs).toBe(0)
  })
  patience.lose()
  expect([ends, patience.waitedMs]).toEqual([1, 0])
})

it('is over when it is said to be, also in the middle of work, and of work that fails', async () => {
  let ends = 0
  const patience = new Patience(20, () => {
    ends++
  })
  const work = patience.during(() => pause(30).then(() => Promise.reject(new Error('no'))))
  patience.over()
  await expect(work).rejects.toThrow('no')
  await pause(60)
  expect(ends).toBe(0)
})
