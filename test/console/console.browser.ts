import { createAudit, Operation, Outcome } from 'otel-audit'
import { ComputedEvidence, type EvidenceSource, type RowVerdict } from 'otel-audit/query'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { unguard } from '../cli/honest-trail.js'
import { TOKEN } from '../server/served.js'
import { BrowsedTrail, HOSTILE, HOUR, type Opened, ROWS, settled, TRACE, type View } from './browsed-trail.js'

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
  await page.getByLabel('Token').fill('wrong')
  await page.keyboard.press('Enter')
  await page.getByText('This token may not read the trail.').waitFor()
  await page.getByLabel('Token').fill(TOKEN)
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
  await page.getByLabel('Credential').fill('billing-*')
  await page.getByLabel('Outcome').fill('not-ok')
  await page.getByRole('button', { name: 'Show' }).click()
  await page.waitForURL(/billing/)
  await settled(page)
  const shown = await credentials(page)
  expect(new Set(shown)).toEqual(new Set(['billing-db']))
  expect(parametersOf(page)).toEqual({ credential: 'billing-*', outcome: 'not-ok', from: '-24h' })
  const again = await page.context().newPage()
  await again.goto(page.url())
  await settled(again)
  expect(await credentials(again)).toEqual(shown)
  expect(await again.getByLabel('Credential').inputValue()).toBe('billing-*')
  await again.getByRole('link', { name: 'Clear' }).click()
  await again.waitForURL(server.url)
  await settled(again)
  expect(await credentials(again)).toHaveLength(50)
  await again.goBack()
  await settled(again)
  await again.waitForFunction((n) => document.querySelectorAll('tbody tr').length === n, shown.length)
})

test('says which filter is wrong', async () => {
  const { page } = await open({ path: '/?from=yesterday', isWaitedFor: false })
  await page.getByRole('alert').filter({ hasText: 'from must be an RFC 3339 time' }).waitFor()
  expect(await page.getByLabel('From').getAttribute('aria-invalid')).toBe('true')
})

test('zooms by dragging over the histogram, and out again', async () => {
  const { page } = await open()
  const plot = page.locator('.plot')
  const box = await plot.boundingBox()
  if (box === null) throw new Error('no histogram')
  const before = await page.locator('.legend').textContent()
  await page.mouse.move(box.x + box.width * 0.25, box.y + 60)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.5, box.y + 60, { steps: 5 })
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

describe('a row', () => {
  const evidence = (status: RowVerdict['status'], findings: readonly string[] = []): EvidenceSource => ({
    evidenceOf: async () => ({ status, findings, block: 'otel-audit/block/v1\n', proof: [] }),
  })

  test.each([
    ['✓ verified', evidence('verified')],
    ['✗ not verified', evidence('not-verified', ['the digest is another'])],
    ['unsigned', evidence('unsigned')],
    ['not checked', undefined],
  ] as const)('is marked as the server found it: %s', async (mark, source) => {
    const { page } = await open({ path: '/?credential=billing-db', ...(source && { evidence: source }) })
    await page.locator('tbody td.time a').first().click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText(mark).waitFor()
    expect(await dialog.locator('dd').allTextContents()).toContain('billing-db')
    expect(await dialog.getByText('the digest is another').count()).toBe(mark === '✗ not verified' ? 1 : 0)
    const link = dialog.getByRole('link', { name: 'Open its trace' })
    expect(await link.getAttribute('href')).toBe(`https://jaeger.example/trace/${TRACE}`)
    expect(await link.getAttribute('rel')).toContain('noopener')
    const address = page.url()
    await page.keyboard.press('Escape')
    await page.waitForFunction(() => !location.search.includes('row='))
    await page.goto(address)
    await page.getByRole('dialog').getByText(mark).waitFor()
  })

  test('is verified, and not any more once it was changed in the database', async () => {
    const audit = createAudit({ databaseUrl: browsed.database.url })
    const { auditId } = await audit.service.recordStrict({
      credential: 'signed-db',
      operation: Operation.GetCredential,
      outcome: Outcome.NoPubkey,
    })
    await audit.close()
    await unguard(browsed.client)
    const evidence = new ComputedEvidence({ databaseUrl: browsed.database.url, schema: 'noetl' })
    const { page } = await open({ path: '/?credential=signed-db', evidence })
    await page.locator('tbody td.time a').first().click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('✓ consistent; signer not vouched for').waitFor()
    expect(await dialog.locator('pre').textContent()).toContain('otel-audit/block/v1')
    expect(await dialog.evaluate((element) => element.scrollTop), 'the mark is in sight').toBe(0)
    await browsed.client.query(`update noetl.secret_audit set outcome = 'ok' where audit_id = ${auditId}`)
    await page.reload()
    await dialog.getByText('✗ not verified').waitFor()
    expect(await dialog.locator('p.bad').allTextContents()).toContainEqual(expect.stringContaining('digest'))
    expect(await dialog.getByText('✓ consistent; signer not vouched for').count()).toBe(0)
    await browsed.client.query(
      `update noetl.secret_audit set outcome = 'no_pubkey' where audit_id = ${auditId}`,
    )
    await page.reload()
    await dialog.getByText('✓ consistent; signer not vouched for').waitFor()
  })

  test('whose texts are HTML is text', async () => {
    const { page, complaints } = await open({ path: `/?credential=${encodeURIComponent(HOSTILE)}` })
    expect(await credentials(page)).toEqual([HOSTILE])
    await page.locator('tbody td.time a').first().click()
    await page.getByRole('dialog').getByText('not checked').waitFor()
    await page.goto(page.url().replace(/\?.*/, `?view=summary&credential=${encodeURIComponent(HOSTILE)}`))
    await settled(page)
    expect(await page.locator('main img, dialog img').count()).toBe(0)
    expect(await page.title()).toBe('Secret audit')
    expect(complaints).toEqual([])
  })
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
  const chain = page.locator('tbody tr', { hasText: 'orders-service' })
  await chain.waitFor()
  expect(await chain.locator('td[data-title=State]').textContent()).toBe('closed')
  expect(await chain.locator('td[data-title=Enrolled]').textContent()).toBe('not checked')
  expect(await page.locator('tbody tr', { hasText: 'server-under-test' }).first().textContent()).toContain(
    'live',
  )
  expect(await page.getByLabel('Outcome').isVisible()).toBe(false)
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
  const client = page.locator('tbody tr', { hasText: '@aws-sdk/client-ssm' })
  await client.waitFor()
  expect(await client.locator('td[data-title=State]').textContent()).toBe('hooked')
  expect(await client.locator('td[data-title=Version]').textContent()).toBe('3.1162.0')
  const other = page.locator('tbody tr', { hasText: 'node-vault' })
  expect(await other.locator('td[data-title=State]').textContent()).toBe('not hooked')
  expect(await other.locator('td[data-title="Hook or reason"]').textContent()).toBe(HOSTILE)
  expect(await page.getByLabel('Outcome').isVisible()).toBe(false)
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
  expect(await page.locator('.caption').textContent()).toMatch(/ to .*: \d+ /)
  await page.keyboard.press('Enter')
  await page.waitForURL(/to=20/)
  await settled(page)
  await focusOn(/\d{2}:\d{2}:\d{2}\.\d{3}$/)
  await page.keyboard.press('Enter')
  await page.getByRole('dialog').getByText('not checked').waitFor()
  await page.keyboard.press('Escape')
  await page.waitForFunction(() => !location.search.includes('row='))
})
