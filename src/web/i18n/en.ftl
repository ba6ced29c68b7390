# The texts of the pages. Same ids as fr.ftl, in the same order.

## Everywhere

back = Back
back-to = Back to { $name }
other-language = Version française
try-again = Try again

## Sign-in page

sign-in-title = Sign in
sign-in-towards = to reach { $name }
means-all = Ways to sign in
means-card = CPS card

card-insert = Insert your card into the reader.
card-start = Sign in with the CPS card
card-start-again = Open the card window again
card-hint = A window of this computer will ask for your PIN. This site never sees it.
card-opening = Opening the card window…
card-waiting = Continue in the card window.
    .detail = This page moves on by itself once you are done.
card-cancelled = You cancelled.
    .detail = Nothing was sent. You can start again whenever you like.
card-done = Done, you are signed in.
card-same-tab = Try in this tab
card-help = How does this work?
card-help-program = A program on this computer, the Sceau agent, reads your card. No health data is exchanged.
card-help-window = Its window shows your name, the service that asks, and how many tries are left before it asks for your PIN.
card-help-code = Your PIN is typed on the reader or on this computer only, and never leaves it.

## Errors

error-title = Sign-in did not go through
error-code = Code
error-operation = Reference
error-unknown = Something unexpected happened.
    .action = Try again. If it happens again, give the code and the reference below to your IT department.

error-WEB-001 = This request does not come from this page.
    .title = Something went wrong
    .action = Go back to the service you wanted to use and start signing in again.
error-WEB-002 = Too many requests in a short time.
    .title = Something went wrong
    .action = Wait a minute, then try again.
error-WEB-003 = This page does not exist.
    .title = Page not found
    .action = Check the address, or go back to the service you wanted to use.
error-WEB-004 = This page cannot be opened this way.
    .title = Something went wrong
    .action = Go back to the service you wanted to use and start signing in again.
error-WEB-005 = Something unexpected happened on our side.
    .title = Something went wrong
    .action = Try again in a moment. If it happens again, give the reference below to your IT department.
error-WEB-006 = The request is too large.
    .title = Something went wrong
    .action = Go back to the service you wanted to use and start signing in again.
error-WEB-007 = The server took too long to answer.
    .title = Something went wrong
    .action = Try again in a moment.
error-WEB-010 = This computer did not answer.
    .action = The Sceau agent, the program that reads your card, does not seem to be running. Start it, then try again. If it is not installed on this computer, ask your IT department.
error-WEB-011 = The card has not been read yet.
    .action = If your browser said that it could not connect, the Sceau agent is not running on this computer: start it, then try again. Your request is still good.
error-WEB-012 = The server cannot be reached.
    .action = Check this computer’s network connection, then try again.
error-WEB-013 = This page was opened too long ago.
    .action = Go back to the service you wanted to use and start signing in again.
