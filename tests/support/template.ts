/** The migrated database that every test database is cloned from; `global-setup.ts` makes it. */
export const TEMPLATE = 'scrum4me_template'
