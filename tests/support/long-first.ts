import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Short files that take a minute each. Begun last, as the smallest, they would keep one worker busy and the others idle. */
const LONG = ['/tests/worktrees/matrix/']

/** The order of the test files: vitest's own (by size), but for those that are longer than they look. */
export default class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLong = ({ moduleId }: TestSpecification) => LONG.some((part) => moduleId.includes(part))
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}
