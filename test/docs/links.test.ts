import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { packageRoot } from '../support/postgres/package-root.js'

const ROOT = packageRoot()
const PAGES = [
  ...readdirSync(ROOT),
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).map((path) => join('docs', path)),
].filter((path) => path.endsWith('.md'))

const textOf = (page: string): string => readFileSync(join(ROOT, page), 'utf8')
/** What fences have is not Markdown. */
const proseOf = (page: string): string => textOf(page).replaceAll(/^```.*?^```$/gms, '')

/** The anchors of a page, as GitHub and npm make them of its headings. */
function anchorsOf(page: string): Set<string> {
  const headings = [...proseOf(page).matchAll(/^#+ (.+)$/gm)].map(([, text = '']) => text)
  return new Set(
    headings.map((text) =>
      text
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

interface Link {
  readonly file: string
  readonly anchor: string | undefined
}

function linksOf(page: string): Link[] {
  const targets = [...proseOf(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, target = '']) => target)
  return targets.map((target) => {
    const [path = '', anchor] = target.split('#')
    const file = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path))
    return { file, anchor }
  })
}

test('there are pages, and links between them', () => {
  expect(PAGES).toEqual(
    expect.arrayContaining(['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'docs/decisions/README.md']),
  )
  expect(PAGES.flatMap(linksOf).length).toBeGreaterThan(100)
})

describe.each(PAGES.map((page) => [page]))('%s', (page) => {
  test('links to files and headings that are there', () => {
    const broken = linksOf(page).filter(({ file, anchor }) => {
      if (!existsSync(join(ROOT, file))) return true
      return anchor !== undefined && file.endsWith('.md') && !anchorsOf(file).has(anchor)
    })
    expect(broken).toEqual([])
  })
})

test('the README links to nothing that the package will not have', () => {
  const files = linksOf('README.md').map(({ file }) => file)
  expect(files.filter((file) => !/^(docs\/.+|[A-Z]+(\.md)?)$/.test(file))).toEqual([])
})

// What is for those who change the code names many files, and none of them as a link: the package does not have them.
describe.each(
  PAGES.filter((page) => page === 'CONTRIBUTING.md' || page.startsWith('docs/decisions/')).map((page) => [
    page,
  ]),
)('%s', (page) => {
  test('names files that are there', () => {
    const named = [...proseOf(page).matchAll(/`((?:src|test|docs|bench|deploy)\/[\w./-]+)`/g)].map(
      ([, path = '']) => path,
    )
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  })
})

describe('docs/decisions/README.md', () => {
  const INDEX = textOf('docs/decisions/README.md')
  const records = PAGES.filter((page) => /^docs\/decisions\/\d{4}-/.test(page))

  test('has every decision, and its title', () => {
    expect(records.length).toBeGreaterThanOrEqual(10)
    for (const page of records) {
      const [, title = ''] = /^# \d{4}: (.+)$/m.exec(textOf(page)) ?? []
      expect(INDEX).toContain(`(${page.slice('docs/decisions/'.length)}) | ${title} |`)
    }
  })
})

test('CONTRIBUTING.md has a line for every script of package.json', () => {
  const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> }
  const described = new Set(
    [...textOf('CONTRIBUTING.md').matchAll(/^\| `([\w:-]+)(?: [^`]*)?` \|/gm)].map(([, name = '']) => name),
  )
  expect(Object.keys(scripts).filter((name) => !described.has(name))).toEqual([])
})
