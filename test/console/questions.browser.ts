import { ComputedEvidence, parseTrust } from 'otel-audit/query'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fillLargeTrail } from '../support/large-trail.js'
import { BrowsedTrail, settled } from './browsed-trail.js'

let browsed: BrowsedTrail
let trust: string

beforeAll(async () => {
  browsed = await BrowsedTrail.start(async (client, url) => {
    trust = await fillLargeTrail(client, url)
  })
  await browsed.states({
    client: 'node-vault@0.10.2',
    state: 'not_hooked',
    hook: undefined,
    reason: 'bundled',
  })
})

afterAll(() => browsed.close())

async function opened(): Promise<Page> {
  const known = parseTrust(trust)
  const evidence = new ComputedEvidence({ databaseUrl: browsed.database.url, trust: known })
  const { page } = await browsed.open({ path: '/', evidence, trust: known })
  return page
}

/** Clicks, until what it leads to is there. */
async function click(page: Page, name: string | RegExp): Promise<void> {
  const before = page.url()
  await page.getByRole('link', { name }).first().click()
  await page.waitForFunction((old) => location.href !== old, before)
  await settled(page)
}

async function question(page: Page, name: string): Promise<void> {
  await page.getByText('Saved views').click()
  await click(page, name)
}

/** Writes into fields, and shows what they ask for. */
async function ask(page: Page, fields: Readonly<Record<string, string>>): Promise<void> {
  for (const [label, text] of Object.entries(fields)) {
    await page.locator('#filters').getByLabel(label, { exact: true }).fill(text)
  }
  const before = page.url()
  await page.getByRole('button', { name: 'Show' }).click()
  await page.waitForFunction((old) => location.href !== old, before)
  await settled(page)
}

const texts = (page: Page, column: string): Promise<string[]> =>
  page.locator(`tbody td[data-title^="${column}"]`).allTextContents()

/** What the database says, asked by itself. */
async function known<Row extends object>(sql: string): Promise<Row> {
  const { rows } = await browsed.client.query<Row>(sql)
  return rows[0] as Row
}

describe('ten questions of an auditor, at 200,000 rows', () => {
  test('1. who could have seen this secret since the leak', async () => {
    const page = await opened()
    await click(page, 'Credentials')
    await ask(page, { Credential: 'wallet-hot-key', From: '2026-11-01', Outcome: 'ok' })
    const actors = page.locator('table[aria-label="Accesses by Actor"] tbody tr')
    const { n } = await known<{ n: number }>(
      `select count(distinct coalesce(actor_id, ''))::int as n from noetl.secret_audit
       where credential = 'wallet-hot-key' and outcome = 'ok' and occurred_at >= '2026-11-01'`,
    )
    expect(await actors.count()).toBe(n)
    expect(await actors.filter({ hasText: 'mallory@example.com' }).count()).toBe(1)
  })

  test('2. the first access ever by somebody', async () => {
    const page = await opened()
    await click(page, 'Credentials')
    await ask(page, { Actor: 'maya@example.com', From: '-400d' })
    await click(page, 'First access')
    const { first } = await known<{ first: string }>(
      `select to_char(min(occurred_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as first
       from noetl.secret_audit where actor_id = 'maya@example.com'`,
    )
    expect((await texts(page, 'First'))[0]).toBe(first)
  })

  test('3. everything that an execution touched', async () => {
    const page = await opened()
    await click(page, '700000042')
    const { n } = await known<{ n: number }>(
      `select count(*)::int as n from noetl.secret_audit where execution_id = 700000042`,
    )
    expect(await texts(page, 'Credential')).toHaveLength(Math.min(50, n))
    expect(await page.locator('.said').textContent()).toContain(`${n} rows`)
  })

  test('4. denied, and granted within five minutes', async () => {
    const page = await opened()
    await click(page, 'Suspicious')
    const cases = page.locator('table[aria-label="Denied, and then granted"] tbody tr', {
      hasText: 'mallory',
    })
    expect(await cases.count()).toBe(2)
  })

  test('5. dormant for 90 days', async () => {
    const page = await opened()
    await question(page, 'Dormant credentials')
    const dormant = page.locator('tbody tr', { has: page.locator('td.bad[data-title="Idle for"]') })
    const { n } = await known<{ n: number }>(
      `select count(*)::int as n from (select credential from noetl.secret_audit where operation not like 'audit%' and operation not like '%trail'
       group by 1 having max(occurred_at) < now() - interval '90 days') dormant`,
    )
    expect(n).toBeGreaterThan(0)
    expect(await dormant.count()).toBe(n)
  })

  test('6. outside of office hours', async () => {
    const page = await opened()
    await question(page, 'Outside office hours, 30 days')
    const times = await texts(page, 'Time')
    expect(times.length).toBeGreaterThan(0)
    for (const time of times) {
      const at = new Date(`${time.replace(' ', 'T')}Z`)
      const isInside = at.getUTCHours() >= 8 && at.getUTCHours() < 18 && at.getUTCDay() % 6 !== 0
      expect(isInside, time).toBe(false)
    }
  })

  test('7. by a service that is not enrolled', async () => {
    const page = await opened()
    await click(page, 'Chains')
    const stranger = page.locator('table[aria-label="Chains of server-under-test"] tbody tr', {
      hasText: 'no',
    })
    expect(await stranger.first().locator('td[data-title=Enrolled]').textContent()).toBe('no')
    const before = page.url()
    await stranger.first().getByRole('link').click()
    await page.waitForFunction((old) => location.href !== old, before)
    await settled(page)
    expect(new Set(await texts(page, 'Service'))).toEqual(new Set(['server-under-test']))
  })

  test('8. the review of a quarter', async () => {
    const page = await opened()
    await click(page, 'Who × what')
    await click(page, 'Last quarter')
    expect(
      await page.getByRole('link', { name: /^orders-db, jane@example\.com: [\d,]+ accesses/ }).count(),
    ).toBe(1)
  })

  test('9. what was not covered', async () => {
    const page = await opened()
    await question(page, 'What is not covered')
    expect(await page.locator('.tiles li').first().textContent()).toBe('1 clients not covered')
    await page.locator('tbody tr', { hasText: 'node-vault' }).waitFor()
    await page.getByText('Saved views').click()
    await click(page, 'Lost and withheld')
    expect(await texts(page, 'Credential')).toEqual([])
  })

  test('10. the proof of one row', async () => {
    const page = await opened()
    await page.getByText('More filters').click()
    await ask(page, { Service: 'wallet' })
    await page.locator('tbody td.time a').first().click()
    await page.locator('#detail .steps').waitFor()
    expect(await page.locator('.step.good strong').allTextContents()).toEqual([
      'Consistent',
      'Enrolled',
      'Anchored',
    ])
    expect(await page.getByRole('region', { name: 'Command' }).textContent()).toMatch(
      /^otel-audit verify --row \d+ --proof row-\d+\.json$/,
    )
  })
})
