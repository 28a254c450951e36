import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createAudit, Operation, Outcome } from 'otel-audit'
import type { Download, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BrowsedTrail, type Opened, ROWS, settled, type View } from './browsed-trail.js'

let browsed: BrowsedTrail

beforeAll(async () => {
  browsed = await BrowsedTrail.start()
  const audit = createAudit({ databaseUrl: browsed.database.url, serviceName: 'gate' })
  const record = (outcome: Outcome) =>
    audit.service.recordStrict({
      credential: 'locked, really',
      operation: Operation.GetCredential,
      outcome,
      actorId: 'mallory, m.',
      sourceAddress: '203.0.113.9',
    })
  for (let i = 0; i < 6; i++) await record(Outcome.AccessDenied)
  await record(Outcome.Ok)
  await audit.close()
})

afterAll(() => browsed.close())

const open = (view?: View): Promise<Opened> => browsed.open(view)
const parametersOf = (page: Page): Record<string, string> =>
  Object.fromEntries(new URL(page.url()).searchParams)
const texts = (page: Page, column: string): Promise<string[]> =>
  page.locator(`tbody td[data-title="${column}"]`).allTextContents()

/** Goes where a click leads, until all of it is there. */
async function follow(page: Page, click: () => Promise<void>): Promise<Record<string, string>> {
  const before = page.url()
  await click()
  await page.waitForFunction((old) => location.href !== old, before)
  await settled(page)
  return parametersOf(page)
}

describe('rows', () => {
  test('about the trail itself are hidden until they are asked for', async () => {
    const { page } = await open()
    expect(await texts(page, 'Credential')).not.toContain('secret_audit')
    const box = page.getByLabel('The trail’s own rows')
    expect(await follow(page, () => box.check())).toEqual({ own: 'include' })
    expect(await texts(page, 'Credential')).toContain('secret_audit')
    expect(await follow(page, () => box.uncheck())).toEqual({})
    expect(await texts(page, 'Credential')).not.toContain('secret_audit')
  })

  test('are of the window that a preset says', async () => {
    const { page } = await open()
    const current = page.locator('#windows [aria-current]')
    expect(await current.textContent()).toBe('24 h')
    expect(await follow(page, () => page.getByRole('link', { name: '1 h', exact: true }).click())).toEqual({
      from: '-1h',
    })
    expect(await current.textContent()).toBe('1 h')
    const { from = '', to = '' } = await follow(page, () =>
      page.getByRole('link', { name: 'Last quarter' }).click(),
    )
    expect(from).toMatch(/^\d{4}-(01|04|07|10)-01$/)
    expect(to).toMatch(/^\d{4}-(01|04|07|10)-01$/)
  })

  test('have the columns that are chosen, and the address keeps them', async () => {
    const { page } = await open()
    await page.getByText('Columns').click()
    expect(await follow(page, () => page.locator('#columns').getByLabel('Trace').check())).toMatchObject({
      cols: expect.stringContaining('trace'),
    })
    expect((await texts(page, 'Trace')).filter((text) => text !== '').length).toBeGreaterThan(0)
    const again = await page.context().newPage()
    await again.goto(page.url())
    await settled(again)
    expect((await texts(again, 'Trace')).length).toBeGreaterThan(0)
  })

  test('are filtered by the legend, by a value, and without it', async () => {
    const { page } = await open()
    const entry = page.locator('.legend a', { hasText: 'no_pubkey' })
    expect(await follow(page, () => entry.click())).toEqual({ outcome: 'no_pubkey' })
    expect(new Set(await texts(page, 'Outcome'))).toEqual(new Set(['no_pubkey']))
    expect(await entry.getAttribute('aria-current')).toBe('true')
    expect(await follow(page, () => entry.click())).toEqual({})
    expect(await follow(page, () => page.getByRole('link', { name: 'worker-1' }).first().click())).toEqual({
      worker_id: 'worker-1',
    })
    await page.locator('tbody td.time a').first().click()
    await page.locator('#detail .steps').waitFor()
    const { credential } = await follow(page, () =>
      page.getByRole('link', { name: /^Without credential/ }).click(),
    )
    expect(credential).toMatch(/^!/)
    expect(await texts(page, 'Credential')).not.toContain(credential?.slice(1))
    expect(
      await follow(page, () => page.getByRole('link', { name: /^Remove Credential/ }).click()),
    ).toMatchObject({
      worker_id: 'worker-1',
    })
  })

  test('of a value with a comma are those of that value', async () => {
    const { page } = await open()
    const { actor_id } = await follow(page, () =>
      page.getByRole('link', { name: 'mallory, m.' }).first().click(),
    )
    expect(actor_id).toBe('mallory\\, m.')
    expect(new Set(await texts(page, 'Who'))).toEqual(new Set(['mallory, m.']))
  })

  test('say what the address has that the page does not know', async () => {
    const { page } = await open({ path: '/?service=orders&cols=time,nonsense&view=nothing' })
    const warning = await page.getByRole('status').filter({ hasText: 'service' }).textContent()
    expect(warning).toContain('The address says service, which this page does not know')
    expect(warning).toContain('There is no view nothing.')
    expect(warning).toContain('There is no column nonsense.')
  })

  test('are by the clock of this machine, if that is asked for', async () => {
    const { page } = await open()
    expect(await follow(page, () => page.getByRole('link', { name: 'UTC', exact: true }).click())).toEqual({
      tz: 'local',
    })
    expect(await page.locator('thead').first().textContent()).toContain('Time (local)')
    expect(await follow(page, () => page.getByRole('link', { name: 'Credentials' }).click())).toEqual({
      view: 'summary',
      tz: 'local',
    })
  })

  test.each(['CSV', 'NDJSON'])('are saved as %s, with the manifest that names the file', async (format) => {
    const { page } = await open({ path: '/?credential=orders-db,billing-db' })
    await page.getByText('Download').click()
    const saved: Download[] = []
    page.on('download', (download) => saved.push(download))
    await page.getByRole('button', { name: format, exact: true }).click()
    await page.getByText(/Its SHA-256 is as it is in the manifest/).waitFor()
    await expect.poll(() => saved.length).toBe(2)
    const [rows, manifest] = await Promise.all(saved.map(async (one) => readFile(await one.path())))
    const said = JSON.parse(String(manifest)) as Record<string, unknown>
    expect(said['sha256']).toBe(
      createHash('sha256')
        .update(rows ?? '')
        .digest('hex'),
    )
    expect([said['file'], said['rows']]).toEqual([saved[0]?.suggestedFilename(), ROWS])
    expect(saved[1]?.suggestedFilename()).toBe(`${String(said['file'])}.manifest.json`)
    const { rows: recorded } = await browsed.client.query(
      `select from noetl.secret_audit where operation = 'export_trail' and attributes ->> 'sha256' = $1`,
      [said['sha256']],
    )
    expect(recorded).toHaveLength(1)
  })
})

test('what could not be read again stays, and is said to be old', async () => {
  const { page } = await open()
  await page.route('**/secret-audit?*', (route) => route.abort())
  await page.getByRole('button', { name: 'Show' }).click()
  await page.getByRole('alert').filter({ hasText: 'What is shown below is of' }).waitFor()
  expect((await texts(page, 'Credential')).length).toBeGreaterThan(0)
  expect(await page.locator('main.stale').count()).toBe(1)
  await page.unroute('**/secret-audit?*')
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.locator('main:not(.stale):not(.loading)').waitFor()
  expect(await page.locator('#problem-box').isHidden()).toBe(true)
})

test('a view is saved by its name, and is a link', async () => {
  const { page } = await open({ path: '/?credential=orders-*&outcome=not-ok' })
  await page.getByText('Saved views').click()
  await page.getByLabel('Name of this view').fill('Denials of orders')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.goto(`${new URL(page.url()).origin}/?view=chains`)
  await settled(page)
  await page.getByText('Saved views').click()
  expect(await follow(page, () => page.getByRole('link', { name: 'Denials of orders' }).click())).toEqual({
    credential: 'orders-*',
    outcome: 'not-ok',
  })
  await page.getByText('Saved views').click()
  await page.getByRole('button', { name: 'Remove Denials of orders' }).click()
  expect(await page.getByRole('link', { name: 'Denials of orders' }).count()).toBe(0)
})

test('who read the trail is answered', async () => {
  const { page } = await open()
  await page.getByText('Saved views').click()
  await follow(page, () => page.getByRole('link', { name: 'Who read the trail' }).click())
  const readers = page.locator('table[aria-label="Accesses by Actor"] tbody')
  expect(await readers.textContent()).toContain('internal-api-token')
})

test('credentials come in the order that is asked for', async () => {
  const { page } = await open({ path: '/?view=summary' })
  expect((await texts(page, 'Credential'))[0]).toBe('orders-db')
  await follow(page, () => page.getByRole('link', { name: 'Dormant first' }).click())
  expect(await page.locator('th[aria-sort="ascending"]').textContent()).toContain('Idle for')
  const times = await page.locator('tbody td[data-title^="Last"]').allTextContents()
  expect(times).toEqual(times.toSorted())
})

test('who accessed what is a table, each of whose cells leads to its rows', async () => {
  const { page } = await open({ path: '/?view=matrix&across=worker_id' })
  const cell = page.getByRole('link', { name: /^billing-db, worker-1: / })
  const accesses = Number((await cell.textContent())?.split(' ')[0])
  expect(await follow(page, () => cell.click())).toMatchObject({
    credential: 'billing-db',
    worker_id: 'worker-1',
  })
  expect((await texts(page, 'Credential')).length).toBe(accesses)
})

test('bursts and what was granted after a denial are found, and lead to their rows', async () => {
  const { page } = await open({ path: '/?view=suspicious' })
  const bursts = page.locator('table[aria-label="Bursts of denials"] tbody tr', { hasText: 'mallory' })
  expect(await bursts.locator('td[data-title=Denials]').textContent()).toBe('6')
  const granted = page.locator('table[aria-label="Denied, and then granted"] tbody tr', {
    hasText: 'mallory',
  })
  await granted.locator('td[data-title^=Granted] a').click()
  await page.locator('#detail .steps').waitFor()
  expect(await page.locator('#detail h2').textContent()).toBe('locked, really: ok')
  await page.keyboard.press('Escape')
  await page.locator('#detail').waitFor({ state: 'hidden' })
  expect(await follow(page, () => bursts.locator('td.time a').click())).toMatchObject({ outcome: 'not-ok' })
  expect((await texts(page, 'Outcome')).filter((text) => text === 'access_denied')).toHaveLength(6)
})
