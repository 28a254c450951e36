import { createAudit, Operation, Outcome } from 'otel-audit'
import { ComputedEvidence, type EvidenceSource, type RowVerdict } from 'otel-audit/query'
import type { Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { unguard } from '../cli/honest-trail.js'
import { BrowsedTrail, HOSTILE, type Opened, settled, TRACE, type View } from './browsed-trail.js'

let browsed: BrowsedTrail

beforeAll(async () => {
  browsed = await BrowsedTrail.start()
})

afterAll(() => browsed.close())

const open = (view?: View): Promise<Opened> => browsed.open(view)
const steps = (page: Page): Locator => page.locator('.step strong')
const credentials = (page: Page): Promise<string[]> =>
  page.locator('tbody td[data-title=Credential]').allTextContents()

describe('a row', () => {
  const evidence = (status: RowVerdict['status'], findings: readonly string[] = []): EvidenceSource => ({
    evidenceOf: async () => ({ status, findings, block: 'otel-audit/block/v1\n', proof: [] }),
  })

  test.each([
    ['Consistent', evidence('verified')],
    ['Not verified', evidence('not-verified', ['the digest is another'])],
    ['Unsigned', evidence('unsigned')],
    ['Not checked', undefined],
  ] as const)('is marked as the server found it: %s', async (mark, source) => {
    const { page } = await open({ path: '/?credential=billing-db', ...(source && { evidence: source }) })
    await page.locator('tbody td.time a').first().click()
    const dialog = page.getByRole('dialog')
    await steps(page).filter({ hasText: mark }).first().waitFor()
    expect(await dialog.locator('dd').allTextContents()).toContainEqual(expect.stringContaining('billing-db'))
    expect(await dialog.getByText('the digest is another').count()).toBe(mark === 'Not verified' ? 1 : 0)
    const link = dialog.getByRole('link', { name: 'Open its trace' })
    expect(await link.getAttribute('href')).toBe(`https://jaeger.example/trace/${TRACE}`)
    expect(await link.getAttribute('rel')).toContain('noopener')
    const address = page.url()
    await page.keyboard.press('Escape')
    await page.waitForFunction(() => !location.search.includes('row='))
    await page.goto(address)
    await steps(page).filter({ hasText: mark }).first().waitFor()
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
    await steps(page).filter({ hasText: 'Not vouched for' }).waitFor()
    expect(await dialog.getByRole('region', { name: 'Signed block' }).textContent()).toContain(
      'otel-audit/block/v1',
    )
    expect(await dialog.evaluate((element) => element.scrollTop), 'the mark is in sight').toBe(0)
    await browsed.client.query(`update noetl.secret_audit set outcome = 'ok' where audit_id = ${auditId}`)
    await page.reload()
    await steps(page).filter({ hasText: 'Not verified' }).waitFor()
    expect(await dialog.locator('p.bad').allTextContents()).toContainEqual(expect.stringContaining('digest'))
    expect(await steps(page).filter({ hasText: 'Consistent' }).count()).toBe(0)
    await browsed.client.query(
      `update noetl.secret_audit set outcome = 'no_pubkey' where audit_id = ${auditId}`,
    )
    await page.reload()
    await steps(page).filter({ hasText: 'Not vouched for' }).waitFor()
  })

  test('whose texts are HTML is text', async () => {
    const { page, complaints } = await open({ path: `/?credential=${encodeURIComponent(HOSTILE)}` })
    expect(await credentials(page)).toEqual([HOSTILE])
    await page.locator('tbody td.time a').first().click()
    await page.getByRole('dialog').locator('.steps').waitFor()
    await page.goto(page.url().replace(/\?.*/, `?view=summary&credential=${encodeURIComponent(HOSTILE)}`))
    await settled(page)
    expect(await page.locator('main img, dialog img').count()).toBe(0)
    expect(await page.title()).toBe('Secret audit')
    expect(complaints).toEqual([])
  })
})
