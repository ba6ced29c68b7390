# Les textes des pages. Une espace insécable précède : ; ! ? et suit « ; l’apostrophe est typographique.

## Partout

back = Retour
back-to = Revenir à { $name }
other-language = English version
try-again = Réessayer

## Page de connexion

sign-in-title = Connectez-vous
sign-in-towards = pour accéder à { $name }
means-all = Moyens de connexion
means-card = Carte CPS

card-insert = Insérez votre carte dans le lecteur.
card-start = Se connecter avec la carte CPS
card-start-again = Rouvrir la fenêtre de la carte
card-hint = Une fenêtre de ce poste vous demandera votre code. Ce site ne le voit jamais.
card-opening = Ouverture de la fenêtre de la carte…
card-waiting = Continuez dans la fenêtre de la carte.
    .detail = Cette page avance d’elle-même dès que c’est terminé.
card-cancelled = Vous avez annulé.
    .detail = Rien n’a été transmis. Vous pouvez recommencer quand vous voulez.
card-done = C’est fait, vous êtes connecté.
card-same-tab = Essayer dans cet onglet
card-help = Comment cela se passe-t-il ?
card-help-program = Un programme de ce poste, l’agent Sceau, lit votre carte. Aucune donnée de santé n’est échangée.
card-help-window = Sa fenêtre montre votre nom, le service demandé et le nombre d’essais restants avant de demander votre code.
card-help-code = Votre code n’est saisi que sur le lecteur ou sur ce poste, et n’en sort jamais.

## Erreurs

error-title = La connexion n’a pas abouti
error-code = Code
error-operation = Référence
error-unknown = Une erreur inattendue s’est produite.
    .action = Réessayez. Si cela se répète, donnez le code et la référence ci-dessous à votre service informatique.

error-WEB-001 = Cette demande ne vient pas de cette page.
    .title = Une erreur s’est produite
    .action = Revenez au service que vous vouliez utiliser et recommencez la connexion.
error-WEB-002 = Trop de demandes en peu de temps.
    .title = Une erreur s’est produite
    .action = Attendez une minute, puis réessayez.
error-WEB-003 = Cette page n’existe pas.
    .title = Page introuvable
    .action = Vérifiez l’adresse, ou revenez au service que vous vouliez utiliser.
error-WEB-004 = Cette page ne s’ouvre pas de cette façon.
    .title = Une erreur s’est produite
    .action = Revenez au service que vous vouliez utiliser et recommencez la connexion.
error-WEB-005 = Une erreur inattendue s’est produite de notre côté.
    .title = Une erreur s’est produite
    .action = Réessayez dans un instant. Si cela se répète, donnez la référence ci-dessous à votre service informatique.
error-WEB-006 = La demande est trop volumineuse.
    .title = Une erreur s’est produite
    .action = Revenez au service que vous vouliez utiliser et recommencez la connexion.
error-WEB-007 = Le serveur a mis trop de temps à répondre.
    .title = Une erreur s’est produite
    .action = Réessayez dans un instant.
error-WEB-010 = Ce poste n’a pas répondu.
    .action = L’agent Sceau, le programme qui lit votre carte, ne semble pas démarré. Démarrez-le, puis réessayez. S’il n’est pas installé sur ce poste, demandez-le à votre service informatique.
error-WEB-011 = La carte n’a pas encore été lue.
    .action = Si votre navigateur a affiché « connexion impossible », l’agent Sceau n’est pas démarré sur ce poste : démarrez-le, puis réessayez. Votre demande est toujours valable.
error-WEB-012 = Le serveur est injoignable.
    .action = Vérifiez la connexion de ce poste au réseau, puis réessayez.
error-WEB-013 = Cette page a été ouverte il y a trop longtemps.
    .action = Revenez au service que vous vouliez utiliser et recommencez la connexion.
