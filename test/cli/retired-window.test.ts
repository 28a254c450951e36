import { expect, test } from 'vitest'
import { retiredLines } from '../../src/cli/run/retired-window.js'
import type { RetiredRange } from '../../src/query/retired.js'

const range = (from: string | null, to: string, place: string | null): RetiredRange => ({
  partition: 'p',
  state: 'retired',
  from: from === null ? null : `${from}T00:00:00.000000Z`,
  to: `${to}T00:00:00.000000Z`,
  rows: 1,
  place,
})
const ALWAYS = { from: undefined, to: undefined }

test('a line for each place, with all that is there', () => {
  const ranges = [
    range(null, '2024-02-01', '/a'),
    range('2024-02-01', '2024-03-01', '/a'),
    range('2024-03-01', '2024-04-01', '/b\u001b[2J'),
    range('2024-04-01', '2024-05-01', null),
  ]
  expect(retiredLines({ ranges }, ALWAYS, 'query')).toEqual([
    'rows before 2024-03-01 were retired, and are not shown: their archive is in /a (otel-audit query --archive /a reads it)',
    expect.stringMatching(/^rows from 2024-03-01 to 2024-04-01 were retired.* is in \/b\\u001b\[2J \(/),
    'rows from 2024-04-01 to 2024-05-01 were retired without an archive, and are not shown',
  ])
})

test('nothing where nothing was, where the window is elsewhere, or where the login may not see it', () => {
  const ranges = [range('2024-02-01', '2024-03-01', '/a')]
  const later = { from: Date.UTC(2024, 2, 1) * 1000, to: undefined }
  expect(retiredLines({ ranges: [] }, ALWAYS, 'query')).toEqual([])
  expect(retiredLines({ ranges }, later, 'query')).toEqual([])
  expect(retiredLines({ ranges: null }, ALWAYS, 'query')).toEqual([])
})
