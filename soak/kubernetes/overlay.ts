import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** What a reader of the page copies: the kustomization of an overlay. */
function documentedOverlay(root: string): string {
  const page = readFileSync(join(root, 'docs', 'operations.md'), 'utf8')
  const [, text] = /^```yaml\n(# kustomization\.yaml\n.*?)^```/ms.exec(page) ?? []
  if (text === undefined) throw new Error('docs/operations.md has no overlay')
  return text
}

/** Lays the overlay with a file for each secret that it names. */
export function layOverlay(root: string, directory: string): void {
  const text = documentedOverlay(root)
  mkdirSync(directory, { recursive: true })
  const base = relative(directory, join(root, 'deploy', 'kubernetes'))
  const laid = text.replaceAll('../otel-audit/deploy/kubernetes', base)
  if (laid === text) throw new Error('the overlay of docs/operations.md does not name its base')
  writeFileSync(join(directory, 'kustomization.yaml'), laid)
  for (const [, file = ''] of text.matchAll(/(?:=|\[)((?:secrets\/|audit)[\w./-]+)/g)) {
    mkdirSync(dirname(join(directory, file)), { recursive: true })
    writeFileSync(join(directory, file), 'for the check\n')
  }
}
