import { createAudit, Operation, Outcome } from 'otel-audit'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TOKEN } from '../server/served.js'
import { BrowsedTrail, HOSTILE, HOUR, type Opened, ROWS, settled, type View } from './browsed-trail.js'

let browsed: BrowsedTrail

beforeAll(async () => {
  browsed = await BrowsedTrail.start()
})

afterAll(() => browsed.close())

const open = (view?: View): Promise<Opened> => browsed.open(view)

const credentials = (page: Page): Promise<string[]> =>
  page.locator('tbody td[data-title=Credential]').allTextContents()
const parametersOf = (page: Page): Record<string, string> =>
  Object.fromEntries(new URL(page.url()).searchParams)

test('asks for a token, and shows nothing without a right one', async () => {
  const { page } = await open({ isSignedIn: false })
  await page.getByRole('dialog').waitFor()
  await page.getByLabel('Token', { exact: true }).fill('wrong')
  await page.keyboard.press('Enter')
  await page.getByText('This token may not read the trail.').waitFor()
  await page.getByLabel('Token', { exact: true }).fill(TOKEN)
  await page.keyboard.press('Enter')
  await settled(page)
  expect(await credentials(page)).toHaveLength(50)
  expect(page.url()).not.toContain(TOKEN)
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByRole('dialog').waitFor()
  expect(await credentials(page)).toEqual([])
})

test('filters by credential, and the address restores the view', async () => {
  const { page, server } = await open()
  await page.locator('#filters').getByLabel('Credential', { exact: true }).fill('billing-*')
  await page.locator('#filters').getByLabel('Outcome', { exact: true }).fill('not-ok')
  await page.getByRole('button', { name: 'Show' }).click()
  await page.waitForURL(/billing/)
  await settled(page)
  const shown = await credentials(page)
  expect(new Set(shown)).toEqual(new Set(['billing-db']))
  expect(parametersOf(page)).toEqual({ credential: 'billing-*', outcome: 'not-ok' })
  const again = await page.context().newPage()
  await again.goto(page.url())
  await settled(again)
  expect(await credentials(again)).toEqual(shown)
  expect(await again.locator('#filters').getByLabel('Credential', { exact: true }).inputValue()).toBe(
    'billing-*',
  )
  await again.getByRole('link', { name: 'Clear', exact: true }).click()
  await again.waitForURL(`${server.url}/`)
  await settled(again)
  expect(await credentials(again)).toHaveLength(50)
  await again.goBack()
  await settled(again)
  await again.waitForFunction((n) => document.querySelectorAll('tbody tr').length === n, shown.length)
})

test('says which filter is wrong', async () => {
  const { page } = await open({ path: '/?from=yesterday', isWaitedFor: false })
  await page.getByRole('alert').filter({ hasText: 'from must be an RFC 3339 time' }).waitFor()
  expect(await page.getByLabel('From', { exact: true }).getAttribute('aria-invalid')).toBe('true')
})

test('zooms by dragging over the histogram, and out again', async () => {
  const { page } = await open()
  const plot = page.locator('.plot .u-over')
  const box = await plot.boundingBox()
  if (box === null) throw new Error('no histogram')
  const before = await page.locator('.legend').textContent()
  const below = await page.locator('#results').boundingBox()
  await page.mouse.move(box.x + box.width * 0.25, box.y + 60)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.5, box.y + 60, { steps: 5 })
  expect(await page.locator('.said').textContent()).toMatch(/ to .*: \d+ ok/)
  expect(await page.locator('#results').boundingBox(), 'nothing moves').toEqual(below)
  await page.mouse.up()
  await page.waitForURL(/from=20/)
  await settled(page)
  const { from = '', to = '' } = parametersOf(page)
  const hours = (Date.parse(to) - Date.parse(from)) / HOUR
  expect(hours).toBeGreaterThan(5)
  expect(hours).toBeLessThan(8)
  await page.waitForFunction((text) => document.querySelector('.legend')?.textContent !== text, before)
  const times = await page.locator('tbody td.time').allTextContents()
  expect(times.length).toBeGreaterThan(0)
  for (const time of times) {
    expect(Date.parse(`${time.replace(' ', 'T')}Z`)).toBeGreaterThanOrEqual(Date.parse(from))
    expect(Date.parse(`${time.replace(' ', 'T')}Z`)).toBeLessThan(Date.parse(to))
  }
  await page.getByRole('button', { name: 'Zoom out' }).click()
  await page.waitForFunction((old) => new URL(location.href).searchParams.get('from') !== old, from)
  await settled(page)
  expect(Date.parse(parametersOf(page)['from'] ?? '')).toBeLessThan(Date.parse(from))
})

test('pages by cursor, without a gap or a repeat', async () => {
  const { page } = await open({ path: '/?credential=orders-db' })
  const ids: (string | null)[] = []
  for (;;) {
    await settled(page)
    ids.push(
      ...(await page
        .locator('tbody td.time a')
        .evaluateAll((links) =>
          links.map((link) => new URL((link as HTMLAnchorElement).href).searchParams.get('row')),
        )),
    )
    const older = page.getByRole('link', { name: 'Older' })
    if ((await older.count()) === 0) break
    const { cursor } = parametersOf(page)
    await older.click()
    await page.waitForFunction(
      (old) => new URL(location.href).searchParams.get('cursor') !== old,
      cursor ?? null,
    )
    await page.waitForFunction(
      (old) =>
        !document
          .querySelector('tbody td.time a')
          ?.getAttribute('href')
          ?.includes(old ?? '-'),
      ids.at(-1),
    )
  }
  expect(ids).toHaveLength(ROWS * 0.9)
  expect(new Set(ids).size).toBe(ids.length)
})

test('shows the credentials, and of one who accessed it', async () => {
  const { page } = await open({ path: '/?view=summary' })
  await page.getByRole('link', { name: 'billing-db' }).click()
  await page.getByRole('heading', { name: 'Who accessed billing-db' }).waitFor()
  await settled(page)
  expect(await page.locator('table[aria-label="Accesses by Worker"] tbody tr').count()).toBe(3)
  expect(parametersOf(page)).toMatchObject({ view: 'summary', credential: 'billing-db' })
  await page.getByRole('link', { name: 'worker-1' }).click()
  await page.waitForURL(/worker_id=worker-1/)
  await page.locator('table[aria-label="Accesses, newest first"]').waitFor()
  expect(new Set(await page.locator('tbody td[data-title=Who]').allTextContents())).toEqual(
    new Set(['worker-1']),
  )
})

test('shows the health of the chains, and goes back to the rows with their filters', async () => {
  const audit = createAudit({ databaseUrl: browsed.database.url, serviceName: 'orders-service' })
  await audit.service.recordStrict({
    credential: 'chained',
    operation: Operation.GetCredential,
    outcome: Outcome.Ok,
  })
  await audit.close()
  const { page } = await open({ path: '/?credential=orders-db' })
  await page.getByRole('link', { name: 'Chains' }).click()
  await page.getByRole('heading', { name: 'server-under-test' }).waitFor()
  expect(await page.getByRole('heading', { name: 'orders-service' }).count(), 'it ended in order').toBe(0)
  await page.getByRole('link', { name: /that ended in order/ }).click()
  await page.waitForURL(/ended=all/)
  const chain = page.locator('table[aria-label="Chains of orders-service"] tbody tr')
  await chain.waitFor()
  expect(await chain.locator('td[data-title=State]').textContent()).toBe('closed')
  expect(await chain.locator('td[data-title=Enrolled]').textContent()).toBe('not checked')
  const own = page.locator('table[aria-label="Chains of server-under-test"] tbody tr')
  expect(await own.first().textContent()).toContain('live')
  expect(await page.locator('#filters').getByLabel('Outcome', { exact: true }).isVisible()).toBe(false)
  await page.getByRole('link', { name: 'Accesses' }).click()
  await page.locator('tbody td[data-title=Credential]').first().waitFor()
  expect(new Set(await credentials(page))).toEqual(new Set(['orders-db']))
})

test('shows how the secret clients are covered', async () => {
  await browsed.states({
    client: `node-vault@${HOSTILE}`,
    state: 'not_hooked',
    hook: undefined,
    reason: HOSTILE,
  })
  await browsed.states({
    client: '@aws-sdk/client-ssm@3.1162.0',
    state: 'hooked',
    hook: 'send',
    reason: undefined,
  })
  const { page, complaints } = await open({ path: '/?credential=orders-db' })
  await page.getByRole('link', { name: 'Coverage' }).click()
  const client = page.locator('table[aria-label="Coverage of orders"] tbody tr', {
    hasText: '@aws-sdk/client-ssm',
  })
  await client.waitFor()
  expect(await client.locator('td[data-title=State]').textContent()).toBe('hooked')
  expect(await client.locator('td[data-title=Version]').textContent()).toBe('3.1162.0')
  const other = page.locator('tbody tr', { hasText: 'node-vault' })
  expect(await other.locator('td[data-title=State]').textContent()).toBe('not hooked')
  expect(await other.locator('td[data-title="Hook or reason"]').textContent()).toBe(HOSTILE)
  expect(await page.locator('#filters').getByLabel('Outcome', { exact: true }).isVisible()).toBe(false)
  expect(complaints).toEqual([])
})

test('works from the keyboard alone', async () => {
  const { page } = await open()
  const focusOn = async (name: RegExp): Promise<void> => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab')
      const focused = await page.evaluate(() => {
        const element = document.activeElement
        const input = element as HTMLInputElement | null
        return `${element?.getAttribute('aria-label') ?? ''} ${input?.name ?? ''} ${element?.textContent ?? ''}`
      })
      if (name.test(focused)) return
    }
    throw new Error(`Tab never comes to ${String(name)}`)
  }
  await focusOn(/ credential /)
  await page.keyboard.type('orders-db')
  await page.keyboard.press('Enter')
  await page.waitForURL(/credential=orders-db/)
  await settled(page)
  await focusOn(/^Histogram/)
  await page.keyboard.press('ArrowLeft')
  await page.keyboard.press('Shift+ArrowLeft')
  await page.keyboard.press('Shift+ArrowLeft')
  expect(await page.locator('.said').textContent()).toMatch(/ to .*: \d+ /)
  await page.keyboard.press('Enter')
  await page.waitForURL(/to=20/)
  await settled(page)
  await focusOn(/\d{2}:\d{2}:\d{2}\.\d{3}$/)
  await page.keyboard.press('Enter')
  await page.locator('#detail .steps').waitFor()
  const row = await page.evaluate(() => new URLSearchParams(location.search).get('row'))
  await page.keyboard.press('ArrowDown')
  await page.waitForFunction((old) => new URLSearchParams(location.search).get('row') !== old, row)
  await page.keyboard.press('ArrowUp')
  await page.waitForFunction((old) => new URLSearchParams(location.search).get('row') === old, row)
  await page.keyboard.press('Escape')
  await page.waitForFunction(() => !location.search.includes('row='))
  await page.waitForFunction((id) => document.activeElement?.getAttribute('data-row') === id, row)
})

test('people sign in where that is configured, and their name is shown', async () => {
  const { page, server } = await open({ isSignedIn: false })
  const config = { sign_in: true, token: false, reader: null as { name: string } | null }
  const ended: string[] = []
  await page.route('**/auth/config', (route) => route.fulfill({ json: config }))
  await page.route('**/auth/logout', (route) => {
    ended.push(route.request().url())
    return route.fulfill({ body: '' })
  })
  // What the cookie of the one who is signed in does.
  await page.route('**/api/internal/**', async (route) => {
    expect(route.request().headers()['authorization']).toBeUndefined()
    const headers = { ...route.request().headers(), authorization: `Bearer ${TOKEN}` }
    await route.continue({ headers })
  })
  await page.goto(`${server.url}/?credential=billing-db`)
  const link = page.getByRole('link', { name: 'Sign in with single sign-on' })
  expect(await link.getAttribute('href')).toBe('/auth/login?return=%2F%3Fcredential%3Dbilling-db')
  expect(await page.getByLabel('Token', { exact: true }).isHidden(), 'no token would be taken').toBe(true)
  config.reader = { name: 'jane@example.com' }
  await page.reload()
  await settled(page)
  expect(new Set(await credentials(page))).toEqual(new Set(['billing-db']))
  expect(await page.locator('#reader').textContent()).toBe('jane@example.com')
  config.reader = null
  await page.getByRole('button', { name: 'Sign out' }).click()
  await link.waitFor()
  expect(ended).toEqual([`${server.url}/auth/logout`])
  expect(await credentials(page)).toEqual([])
})
