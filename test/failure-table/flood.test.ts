import { describe, expect, test } from 'vitest'
import { floodOptions } from '../../bench/flood/options.js'
import { floodReport, MAX_GROWTH_MIB, unaccounted } from '../../bench/flood/report.js'
import { type Flood, runFlood } from '../../bench/flood/run.js'

// `npm run flood` in small.

const quietly = (): void => {}

describe('50,000 async events while Postgres is stopped', () => {
  test('with a spool: all are stored afterwards, and memory stays bounded', async () => {
    const options = floodOptions(['--events', '50000'])
    const flood = await runFlood(options, quietly)
    expect(unaccounted(options, flood)).toBeUndefined()
    expect(flood).toMatchObject({ stored: 50_000, gapCount: 0 })
    expect(flood.recorded.spooled).toBeGreaterThan(20_000)
    const { json } = floodReport(options, flood)
    // Twice the goal: garbage is collected late on a machine that is busy.
    expect(json.rss_growth_mib).toBeLessThan(2 * MAX_GROWTH_MIB)
  })

  test('without a spool: rows and the count of the gap rows make all of them, and memory stays bounded', async () => {
    const options = floodOptions(['--events', '50000', '--no-spool'])
    const flood = await runFlood(options, quietly)
    expect(unaccounted(options, flood)).toBeUndefined()
    expect(flood.gapCount).toBeGreaterThan(0)
    expect(flood.stored + flood.gapCount).toBe(50_000)
    expect(floodReport(options, flood).json.rss_growth_mib).toBeLessThan(2 * MAX_GROWTH_MIB)
  })
})

describe('the account', () => {
  const answer = { rss: 0, peakRss: 0, seconds: 1, blockedMs: { max: 0, p99: 0 }, dropped: 0, spooled: 0 }
  const fine: Flood = { idle: answer, recorded: answer, settled: answer, stored: 10, rows: 10, gapCount: 0 }
  const withSpool = floodOptions(['--events', '10'])

  test('is wrong when an event is missing, there twice, lost unsaid, or lost in spite of a spool', () => {
    expect(unaccounted(withSpool, fine)).toBeUndefined()
    expect(unaccounted(withSpool, { ...fine, stored: 9, rows: 9 })).toContain('unaccounted')
    expect(unaccounted(withSpool, { ...fine, rows: 11 })).toContain('twice')
    expect(unaccounted(withSpool, { ...fine, stored: 9, rows: 9, gapCount: 1 })).toContain('gap rows')
    const lost = { ...fine, stored: 9, rows: 9, gapCount: 1, settled: { ...answer, dropped: 1 } }
    expect(unaccounted(withSpool, lost)).toContain('despite')
    expect(unaccounted({ ...withSpool, spool: false }, lost)).toBeUndefined()
  })
})

test.each([['--events', '0'], ['--events', 'x'], ['--rate', '-1'], ['--spool']])(
  'refuses %s %s',
  (...args) => {
    expect(() => floodOptions(args)).toThrow(TypeError)
  },
)
