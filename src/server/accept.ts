/**
 * Which of the types on offer a client prefers (RFC 9110, 12.5.1); the first on offer when it does not say.
 *
 * @returns undefined when it takes none of them
 */
export function preferred<Type extends string>(
  accept: string | null,
  offered: readonly Type[],
): Type | undefined {
  if (accept === null || accept.trim() === '') return offered[0]
  const ranges = accept.split(',').map((part) => {
    const [range = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase())
    const q = parameters.find((text) => text.startsWith('q='))
    return { range, quality: q === undefined ? 1 : Number(q.slice(2)) || 0 }
  })
  const qualityOf = (type: string): number => {
    const [main = ''] = type.split('/')
    const exact = [type, `${main}/*`, '*/*']
    for (const wanted of exact) {
      const found = ranges.find(({ range }) => range === wanted)
      if (found !== undefined) return found.quality
    }
    return 0
  }
  const best = offered
    .map((type) => ({ type, quality: qualityOf(type) }))
    .sort((a, b) => b.quality - a.quality)[0]
  return best === undefined || best.quality === 0 ? undefined : best.type
}
