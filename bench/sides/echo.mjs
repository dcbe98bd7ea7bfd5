/** The function that every side serves. */
export const handler = async (event) => event;
