const greeting = "Hello";

export const handler = async (event) => {
  console.log("greeting", event.name ?? "nobody in particular");
  return { message: `${greeting}, ${event.name ?? "world"}!`, node: process.version };
};
