import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ComputedEvidence, parseTrust } from 'otel-audit/query'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fillLargeTrail, LARGE_TRAIL } from '../support/large-trail.js'
import { BrowsedTrail, settled, type View } from './browsed-trail.js'

/** Where pictures of what was looked at go. Without it none are taken. */
const LOOKS = process.env['CONSOLE_LOOKS']

let browsed: BrowsedTrail
let trust: string

beforeAll(async () => {
  browsed = await BrowsedTrail.start(async (client, url) => {
    trust = await fillLargeTrail(client, url)
  })
})

afterAll(() => browsed.close())

interface Reported {
  readonly violations: readonly string[]
}

/** What the policy refused, from the first script on. */
async function violationsOf(page: Page): Promise<readonly string[]> {
  return page.evaluate(() => (window as unknown as Reported).violations)
}

const evidence = (): ComputedEvidence =>
  new ComputedEvidence({ databaseUrl: browsed.database.url, trust: parseTrust(trust) })

async function picture(page: Page, name: string): Promise<void> {
  if (LOOKS === undefined) return
  await mkdir(LOOKS, { recursive: true })
  await page.screenshot({ path: join(LOOKS, `${name}.png`) })
}

test('200,000 rows are there at once, from a page that is small', async () => {
  const { page } = await browsed.open({ path: '/?from=-119d', isWaitedFor: false })
  const sizes: { path: string; sent: number; read: number }[] = []
  page.on('response', (response) => {
    const { pathname } = new URL(response.url())
    if (pathname !== '/' && !pathname.startsWith('/console/')) return
    const measured = Promise.all([response.request().sizes(), response.body()])
    measured.then(
      ([{ responseBodySize }, body]) =>
        sizes.push({ path: pathname, sent: responseBodySize, read: body.length }),
      () => {},
    )
  })
  await page.reload()
  await settled(page)
  const legend = await page.locator('.legend b').allTextContents()
  const shown = legend.reduce((sum, text) => sum + Number(text.replaceAll(',', '')), 0)
  expect(shown).toBeGreaterThan(LARGE_TRAIL * 0.98)
  const times = await page.evaluate(() => ({
    firstPaint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0,
    now: performance.now(),
  }))
  const [sent, read] = (['sent', 'read'] as const).map((side) =>
    sizes.reduce((sum, size) => sum + size[side], 0),
  )
  console.log(
    `page weight: ${sizes.length} files, ${kB(sent)} sent, ${kB(read)} read; first contentful paint ${times.firstPaint.toFixed(0)} ms, ` +
      `histogram and rows of ${shown.toLocaleString('en-US')} rows after ${times.now.toFixed(0)} ms at most`,
  )
  expect(sizes.length).toBeGreaterThan(15)
  expect(sent).toBeLessThan(100_000)
  expect(read).toBeLessThan(150_000)
})

const kB = (bytes = 0): string => `${(bytes / 1000).toFixed(1)} kB`

interface Look {
  readonly name: string
  readonly path: string
  /** What is done there. */
  readonly act?: (page: Page) => Promise<void>
}

const openRow = async (page: Page): Promise<void> => {
  await page.locator('tbody td.time a').first().click()
  await page.locator('#detail .steps').waitFor()
  expect(await page.locator('.step.good strong').allTextContents()).toEqual([
    'Consistent',
    'Enrolled',
    'Anchored',
  ])
}

const LOOKED_AT: readonly Look[] = [
  { name: 'rows', path: '/?from=-7d' },
  { name: 'row', path: '/?from=-7d&service_name=wallet', act: openRow },
  { name: 'denials', path: '/?from=-30d&outcome=not-ok,!throttled' },
  { name: 'quarter', path: '/?from=-92d' },
  { name: 'credentials', path: '/?view=summary' },
  { name: 'credential', path: '/?view=summary&credential=payments-db' },
  { name: 'dormant', path: '/?view=summary&order=dormant&from=-400d' },
  { name: 'matrix', path: '/?view=matrix' },
  { name: 'suspicious', path: '/?view=suspicious' },
  { name: 'chains', path: '/?view=chains&ended=all' },
  { name: 'coverage', path: '/?view=coverage' },
  { name: 'empty', path: '/?credential=nothing' },
  { name: 'saved', path: '/', act: (page) => page.getByText('Saved views').click() },
  { name: 'more', path: '/', act: (page) => page.getByText('More filters').click() },
]

test.each([
  ['light', 1280],
  ['dark', 1280],
  ['light', 400],
  ['dark', 400],
] as const)(
  'every view at 200,000 rows: %s, %i wide; the policy refuses nothing',
  async (colorScheme, width) => {
    const view: View = { path: '/?from=-1h', colorScheme, width, evidence: evidence() }
    const { page, server } = await browsed.open(view)
    await page.context().addInitScript(() => {
      const violations: string[] = []
      Object.assign(window, { violations })
      document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
        violations.push(`${violatedDirective} ${blockedURI}`),
      )
    })
    for (const { name, path, act } of LOOKED_AT) {
      await page.goto(server.url + path)
      await settled(page)
      await act?.(page)
      await picture(page, `${name}-${colorScheme}-${width}`)
      expect(await violationsOf(page), name).toEqual([])
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
      expect(overflow, `${name} is not wider than the screen`).toBeLessThanOrEqual(0)
    }
    await page.route('**/api/internal/**', (route) =>
      route.fulfill({
        status: 503,
        contentType: 'application/problem+json',
        body: JSON.stringify({ status: 503, detail: 'The database cannot be reached.', hint: 'Try again.' }),
      }),
    )
    await page.getByRole('button', { name: 'Show' }).click()
    await page.getByRole('alert').filter({ hasText: 'The database cannot be reached.' }).waitFor()
    await picture(page, `away-${colorScheme}-${width}`)
    await page.unroute('**/api/internal/**')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Token').fill('wrong')
    await page.keyboard.press('Enter')
    await page.getByText('This token may not read the trail.').waitFor()
    await picture(page, `sign-in-${colorScheme}-${width}`)
  },
)
