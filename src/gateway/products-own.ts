/** Operations of rows about the trail itself, which say what only this product can know. */
const READS: ReadonlySet<string> = new Set(['query_trail', 'export_trail'])

/** Whether an operation is for rows that the product writes. From outside it is a claim. */
export function isProducts(operation: string): boolean {
  return operation.startsWith('audit_') || READS.has(operation)
}
