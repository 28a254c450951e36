import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { firstIdOf } from '../../src/event/snowflake.js'
import { PATH } from '../server/served.js'
import { BrowsedTrail } from './browsed-trail.js'

// A window that reaches below what is live: the console says so, and how to read the rest.

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
/** Where pictures of what was looked at go. Without it none are taken. */
const LOOKS = process.env['CONSOLE_LOOKS']
const DAY = 86_400_000
const PLACE = "/archive/jane's wallet"

let browsed: BrowsedTrail
/** Where what is retired ends. */
const end = Math.floor(Date.now() / DAY) * DAY - 40 * DAY
const date = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

beforeAll(async () => {
  browsed = await BrowsedTrail.start()
  const add = (from: number | null, to: number, place: string | null, state = 'retired') =>
    browsed.client.query(
      `insert into noetl.secret_audit_retirement (partition, from_id, to_id, state, place) values ('p', $1, $2, $3, $4)`,
      [from === null ? null : String(firstIdOf(from)), String(firstIdOf(to)), state, place],
    )
  await add(null, end - 60 * DAY, null)
  await add(end - 60 * DAY, end - 30 * DAY, PLACE)
  await add(end - 30 * DAY, end, PLACE, 'detached')
  await add(end, end + DAY, PLACE, 'archived')
})

afterAll(() => browsed.close())

test('says which rows were retired, where they are, and the command that reads them', async () => {
  const credential = "o'brien, x"
  const { page, complaints, requests } = await browsed.open({
    path: `/?from=-60d&credential=${encodeURIComponent("o'brien\\, x")}`,
  })
  const notice = page.locator('#retired')
  await notice.waitFor({ state: 'visible' })
  expect(await notice.locator('p').count()).toBe(1)
  expect(await notice.textContent()).toContain(
    `Rows from ${date(end - 30 * DAY)} to ${date(end)} were retired, and are not shown. Their archive is in ${PLACE}`,
  )
  const command = (await notice.locator('code.command').textContent()) ?? ''
  const words = execFileSync('sh', ['-c', `printf '%s\\n' ${command}`], { encoding: 'utf8' }).split('\n')
  expect(words.slice(0, 8)).toEqual([
    'otel-audit',
    'query',
    '--archive',
    PLACE,
    '--trust',
    'audit.trust',
    '--credential',
    credential.replace(',', '\\,'),
  ])
  expect(words.slice(8)).toEqual([
    '--from',
    expect.stringMatching(/Z$/),
    '--to',
    `${date(end)}T00:00:00Z`,
    '',
  ])
  expect(await notice.getByRole('button', { name: 'Copy' }).count()).toBe(1)
  expect(complaints).toEqual([])
  // Once, however much is looked at.
  await page.getByRole('link', { name: 'Credentials' }).click()
  await notice.locator('code.command', { hasText: 'otel-audit summary' }).waitFor()
  expect(requests.filter((url) => url.includes(`${PATH}/retired`))).toHaveLength(1)
  await page.getByRole('link', { name: 'Chains' }).click()
  await notice.waitFor({ state: 'hidden' })
})

test('of what was retired without an archive there is no command', async () => {
  const { page } = await browsed.open({ path: `/?from=-200d&own=include` })
  await page.locator('#retired p').nth(1).waitFor()
  const texts = await page.locator('#retired p').allTextContents()
  expect(texts[0]).toBe(`Rows before ${date(end - 60 * DAY)} were retired without an archive.`)
  expect(texts[1]).toContain(`Rows from ${date(end - 60 * DAY)} to ${date(end)} were retired`)
})

test('a window that is all there has no notice, nor has one that nobody may read', async () => {
  const { page } = await browsed.open({ path: '/?from=-30d' })
  await page.locator('tbody tr').first().waitFor()
  expect(await page.locator('#retired').isHidden()).toBe(true)
  const locked = await browsed.open({ path: '/?from=-60d', isSignedIn: false })
  await locked.page.locator('#sign-in').waitFor()
  expect(await locked.page.locator('#retired').textContent()).toBe('')
})

test.each([
  ['light', 1280],
  ['dark', 400],
] as const)('axe finds nothing, and nothing is wider than the screen: %s, %i', async (colorScheme, width) => {
  const { page } = await browsed.open({ path: '/?from=-200d', colorScheme, width })
  await page.locator('#retired p').first().waitFor()
  await page.evaluate(AXE)
  const violations = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(): Promise<{ violations: { id: string }[] }> } }
    return (await axe.run()).violations.map(({ id }) => id)
  })
  expect(violations).toEqual([])
  expect(
    await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth),
  ).toBeLessThanOrEqual(0)
  if (LOOKS === undefined) return
  await mkdir(LOOKS, { recursive: true })
  await page.screenshot({ path: join(LOOKS, `retired-${width}.png`) })
})
